"""The process that supervises one task: waits for its GPUs, runs it, and writes its log and its end.

It runs from a copy of the agent, which no upgrade of the package changes. Every submit waits for these imports, so none
of them loads dataclasses. Started as `main()` with "run FOLDER" or "reap FOLDER".
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flow_core.agent.agent_copy_cleanup import remove_unused_agent_copies
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.folder_ownership import check_folders
from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import try_lock
from flow_core.agent.s3.download_launcher import DownloadLauncher
from flow_core.agent.s3.staging import discard_downloads
from flow_core.agent.supervisor.attempt import RunningAttempt
from flow_core.agent.supervisor.gpu_wait import GpuWait
from flow_core.agent.supervisor.lost_supervisor import reap
from flow_core.agent.supervisor.process_launch import LaunchError
from flow_core.agent.supervisor.rank_launcher import RankLauncher
from flow_core.agent.supervisor.retry_loop import RetryLoop
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_mounts import TaskMounts

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask

_WRITE_RETRY_S = 1.0
_NOT_STARTED = "cancelled before it started"


def main() -> NoReturn:
    """Detaches from the calling process, then runs or reaps the task, by the arguments."""
    gc.enable()
    job, folder = sys.argv[1:3]
    if os.fork():
        os._exit(0)
    os.setsid()
    _do(job, TaskFolder(Path(folder)))
    os._exit(0)  # Python would take a tenth of the time of a short task to free every module


def _do(job: str, task: TaskFolder) -> None:
    try:
        check_folders(task.root, task.context, [task.path])
    except OSError as error:
        _report(f"unsafe {error.strerror}")
        return
    if job == "reap":
        reap(task)
        return
    if try_lock(task.alive_lock) is None:  # locked until this process ends
        _report("refused another supervisor has this task")
        return
    Supervisor(task).run()


class Supervisor:
    """The supervisor of one task, from its queue to its end, phase by phase."""

    def __init__(self, task: TaskFolder) -> None:
        self._writer = TaskStateWriter(task)
        self._stop = StopSignal(task)
        self._locks = GpuLocks()
        self._container_task: ContainerTask | None = None
        if self._writer.spec.container is not None:
            from flow_core.agent.containers.container_task import ContainerTask  # lazy import: few tasks have an image

            self._container_task = ContainerTask(self._writer, self._stop)

    def run(self) -> None:
        self._stop.listen()
        mounts = TaskMounts(self._writer)
        if mounts.is_unsupported:
            _report(f"unsupported {mounts.notice}")
            return
        self._writer.state.message = mounts.notice
        if not self._writer.write():
            _report("refused its record can't be written; make room on the disk and check who owns the folder")
            return
        _report("ok")
        self._writer.reserve_space()
        outcome = self._fetch(mounts) or self._wait_and_run(mounts)
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

    def _fetch(self, mounts: TaskMounts) -> TaskOutcome | None:
        """Fetches the image and the data; returns None on success, otherwise the outcome of the task."""
        download = DownloadLauncher(self._writer, self._stop, mounts.link_notice)
        if self._container_task is None:
            return download.run()
        outcome = self._container_task.fetch() or download.run()
        if outcome is None:
            self._container_task.enqueue()
        return outcome

    def _wait_and_run(self, mounts: TaskMounts) -> TaskOutcome:
        launcher = RankLauncher(self._writer, mounts, self._container_task)
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


def _report(text: str) -> None:
    """Reports to the submitter, which reads this process's standard output, and closes that output."""
    try:
        os.write(1, text.encode(errors="replace") + b"\n")
    except BrokenPipeError:
        pass  # the submitter has stopped waiting
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
