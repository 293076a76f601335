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

from flow_core.agent.capacity import leases, queue
from flow_core.agent.capacity.leases import GpuLocks
from flow_core.agent.copies import remove_unused
from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import try_lock
from flow_core.agent.s3.download import TaskDownload
from flow_core.agent.s3.staging import discard_downloads
from flow_core.agent.safe_folders import check_folders
from flow_core.agent.supervisor.keeper import Keeper
from flow_core.agent.supervisor.launch import LaunchError
from flow_core.agent.supervisor.ledger import Ledger, Outcome
from flow_core.agent.supervisor.mounting import Mounting
from flow_core.agent.supervisor.retrying import Retrying
from flow_core.agent.supervisor.settle import settle
from flow_core.agent.supervisor.starting import Starter
from flow_core.agent.supervisor.stopping import StopOrder
from flow_core.agent.supervisor.turn import Turn

if TYPE_CHECKING:
    from flow_core.agent.containers.contained import Contained

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
        settle(task)
        return
    if try_lock(task.alive_lock) is None:  # held from here until this process ends
        _answer("refused another supervisor has this task")
        return
    Supervisor(task).run()


class Supervisor:
    """One task from its queue to its end, phase by phase."""

    def __init__(self, task: TaskFolder) -> None:
        self._ledger = Ledger(task)
        self._stop = StopOrder(task)
        self._locks = GpuLocks()
        self._contained: Contained | None = None
        if self._ledger.spec.container is not None:
            from flow_core.agent.containers.contained import Contained  # deferred: few tasks have an image

            self._contained = Contained(self._ledger, self._stop)

    def run(self) -> None:
        self._stop.listen()
        mounting = Mounting(self._ledger)
        if mounting.is_unsupported:
            _answer(f"unsupported {mounting.notice}")
            return
        self._ledger.state.message = mounting.notice
        if not self._ledger.write():
            _answer("refused its record can't be written; make room on the disk and check who owns the folder")
            return
        _answer("ok")
        self._ledger.keep_spare()
        outcome = self._fetch(mounting) or self._take_turn(mounting)
        if outcome.status == "cancelled" and self._ledger.state.started_at is None:
            outcome = outcome._replace(message=outcome.message or _NOT_STARTED)  # not what it was waiting for
        discard_downloads(self._ledger.task)
        self._finish(outcome)
        remove_unused(self._ledger.task.root, self._ledger.spec.agent)

    def _finish(self, outcome: Outcome) -> None:
        """The GPUs are free at the moment of the last record, which until then the lease waits for, or without it where
        there is no room for it."""
        self._locks.release()
        is_written = self._ledger.finish(outcome)
        if not is_written:
            leases.give_back(self._ledger.task, self._ledger.state.gpus)
        queue.ring(self._ledger.task.root)
        while not is_written and not self._stop.is_deleted:
            self._stop.wait(set(), _WRITE_AGAIN_S)
            is_written = self._ledger.finish(outcome)

    def _fetch(self, mounting: Mounting) -> Outcome | None:
        """None once all is there that it needs before its turn, else its end."""
        download = TaskDownload(self._ledger, self._stop, mounting.elsewhere)
        if self._contained is None:
            return download.run()
        outcome = self._contained.fetch() or download.run()
        if outcome is None:
            self._contained.join_line()
        return outcome

    def _take_turn(self, mounting: Mounting) -> Outcome:
        starter = Starter(self._ledger, mounting, self._contained)
        turn = Turn(self._ledger, self._stop)
        locks = turn.wait()
        if locks is None:
            return self._stop.outcome()
        self._locks = locks
        self._stop.limit(self._ledger.spec.max_run_time_hours)
        return Retrying(self._ledger, self._stop).run(lambda: self._attempt(starter, turn))

    def _attempt(self, starter: Starter, turn: Turn) -> Outcome:
        keeper = Keeper(self._ledger, self._stop, self._contained)
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
