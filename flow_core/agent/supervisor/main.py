"""The small process that keeps one task: waits for its GPUs, runs it, writes its log and its end.

It runs from a copy of the agent, which no upgrade of the package changes. Every submit waits for these imports, so none
of them loads dataclasses.
It is started as `main()` with "run FOLDER" or "settle FOLDER".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.agent_copies import remove_unused_copies
from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import try_lock
from flow_core.agent.s3.copies import discard
from flow_core.agent.s3.fetching import Fetching
from flow_core.agent.safe_folders import check_folders
from flow_core.agent.supervisor.attempt import RunningAttempt
from flow_core.agent.supervisor.gpu_wait import GpuWait
from flow_core.agent.supervisor.launch import LaunchError
from flow_core.agent.supervisor.launcher import RankLauncher
from flow_core.agent.supervisor.mounting import TaskMounts
from flow_core.agent.supervisor.reap import reap
from flow_core.agent.supervisor.retry_loop import RetryLoop
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskOutcome, TaskStateWriter

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask

_WRITE_AGAIN_S = 1.0
_NOT_STARTED = "cancelled before it started"


def main() -> None:
    """Leaves the process that called, then does what the arguments say."""
    job, folder = sys.argv[1:3]
    if os.fork():
        os._exit(0)
    os.setsid()
    task = TaskFolder(Path(folder))
    try:
        check_folders(task.root, task.context, [task.path])
    except OSError as error:
        _answer(f"unsafe {error.strerror}")
        return
    if job == "settle":
        reap(task)
        return
    if try_lock(task.alive_lock) is None:  # held from here until this process ends
        _answer("refused another supervisor has this task")
        return
    Supervisor(task).run()


class Supervisor:
    """One task from its queue to its end, phase by phase."""

    def __init__(self, task: TaskFolder) -> None:
        self._ledger = TaskStateWriter(task)
        self._stop = StopSignal(task)
        self._locks = GpuLocks()
        self._contained: ContainerTask | None = None
        if self._ledger.spec.container is not None:
            from flow_core.agent.containers.container_task import ContainerTask  # deferred: few tasks have an image

            self._contained = ContainerTask(self._ledger, self._stop)

    def run(self) -> None:
        self._stop.listen()
        mounting = TaskMounts(self._ledger)
        if mounting.is_unsupported:
            _answer(f"unsupported {mounting.notice}")
            return
        self._ledger.state.message = mounting.notice
        if not self._ledger.write():
            _answer("refused its record can't be written; make room on the disk and check who owns the folder")
            return
        _answer("ok")
        self._ledger.reserve_space()
        outcome = self._fetch(mounting) or self._take_turn(mounting)
        if outcome.status == "cancelled" and self._ledger.state.started_at is None:
            outcome = outcome._replace(message=outcome.message or _NOT_STARTED)  # not what it was waiting for
        discard(self._ledger.task)
        self._finish(outcome)
        remove_unused_copies(self._ledger.task.root, self._ledger.spec.agent)

    def _finish(self, outcome: TaskOutcome) -> None:
        """The GPUs are free at the moment of the last record, which until then the lease waits for, or without it where
        there is no room for it."""
        self._locks.release()
        is_written = self._ledger.finish(outcome)
        if not is_written:
            leases.release_leases(self._ledger.task, self._ledger.state.gpus)
        queue.notify_waiting(self._ledger.task.root)
        while not is_written and not self._stop.is_deleted:
            self._stop.wait(set(), _WRITE_AGAIN_S)
            is_written = self._ledger.finish(outcome)

    def _fetch(self, mounting: TaskMounts) -> TaskOutcome | None:
        """None once all is there that it needs before its turn, else its end."""
        fetching = Fetching(self._ledger, self._stop, mounting.elsewhere)
        if self._contained is None:
            return fetching.run()
        outcome = self._contained.fetch() or fetching.run()
        if outcome is None:
            self._contained.enqueue()
        return outcome

    def _take_turn(self, mounting: TaskMounts) -> TaskOutcome:
        starter = RankLauncher(self._ledger, mounting, self._contained)
        turn = GpuWait(self._ledger, self._stop)
        locks = turn.wait()
        if locks is None:
            return self._stop.outcome()
        self._locks = locks
        self._stop.limit(self._ledger.spec.max_run_time_hours)
        return RetryLoop(self._ledger, self._stop).run(lambda: self._attempt(starter, turn))

    def _attempt(self, starter: RankLauncher, turn: GpuWait) -> TaskOutcome:
        keeper = RunningAttempt(self._ledger, self._stop, self._contained)
        try:
            starter.start(keeper, self._locks)
        except LaunchError as error:
            return keeper.give_up(error)
        finally:
            turn.leave()
        return keeper.keep()


def _answer(said: str) -> None:
    """Tells the submitter, who waits for it on our standard output, and lets go of it."""
    try:
        os.write(1, said.encode(errors="replace") + b"\n")
    except BrokenPipeError:
        pass  # it waits no longer
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
