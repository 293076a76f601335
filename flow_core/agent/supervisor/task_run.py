"""Runs one task for its supervisor, from the wait for its GPUs to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.agent.agent_copy_cleanup import remove_unused_agent_copies
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.s3.download_launcher import DownloadLauncher
from flow_core.agent.s3.staging import discard_downloads
from flow_core.agent.supervisor.attempt import RunningAttempt
from flow_core.agent.supervisor.gpu_wait import GpuWait
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.rank_launcher import RankLauncher
from flow_core.agent.supervisor.retry_loop import RetryLoop
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_mounts import TaskMounts

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask

_WRITE_RETRY_S = 1.0
_NOT_STARTED = "cancelled before it started"


class TaskRun:
    """The run of one task, phase by phase."""

    def __init__(
        self, writer: TaskStateWriter, stop: StopSignal, mounts: TaskMounts, container_task: ContainerTask | None
    ) -> None:
        self._writer = writer
        self._stop = stop
        self._mounts = mounts
        self._container_task = container_task
        self._locks = GpuLocks()

    def run(self) -> None:
        """Runs the task and writes its end."""
        self._writer.reserve_space()
        outcome = self._fetch() or self._wait_and_run()
        if outcome.status == "cancelled" and self._writer.state.started_at is None:
            # replaces the reason that it waited for
            outcome = outcome._replace(message=outcome.message or _NOT_STARTED)
        discard_downloads(self._writer.task)
        self._finish(outcome)
        remove_unused_agent_copies(self._writer.task.root, self._writer.spec.agent)

    def _finish(self, outcome: TaskOutcome) -> None:
        """Writes the final record; retries until it is written or the folder is deleted.

        The GPUs become free with that record, since until then the leases protect them. If there is no room for the
        record, the leases are removed without it.
        """
        self._locks.release()
        is_written = self._writer.finish(outcome)
        if not is_written:
            leases.release_leases(self._writer.task, self._writer.state.gpus)
        queue.notify_waiting(self._writer.task.root)
        while not is_written and not self._stop.is_deleted:
            self._stop.wait(set(), _WRITE_RETRY_S)
            is_written = self._writer.finish(outcome)

    def _fetch(self) -> TaskOutcome | None:
        """Fetches the image and the data; returns None on success, otherwise the outcome of the task."""
        download = DownloadLauncher(self._writer, self._stop, self._mounts.link_notice)
        if self._container_task is None:
            return download.run()
        outcome = self._container_task.fetch() or download.run()
        if outcome is None:
            self._container_task.enqueue()
        return outcome

    def _wait_and_run(self) -> TaskOutcome:
        launcher = RankLauncher(self._writer, self._mounts, self._container_task)
        gpu_wait = GpuWait(self._writer, self._stop)
        locks = gpu_wait.wait()
        if locks is None:
            return self._stop.build_outcome()
        self._locks = locks
        self._stop.set_time_limit(self._writer.spec.max_run_time_hours)
        return RetryLoop(self._writer, self._stop).run(lambda: self._run_attempt(launcher, gpu_wait))

    def _run_attempt(self, launcher: RankLauncher, gpu_wait: GpuWait) -> TaskOutcome:
        attempt = RunningAttempt(self._writer, self._stop, self._container_task)
        try:
            launcher.start(attempt, self._locks)
        except LaunchError as error:
            return attempt.abort(error)
        finally:
            gpu_wait.leave_queue()
        return attempt.supervise()
