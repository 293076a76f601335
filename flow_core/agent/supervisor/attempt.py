"""Keeping a running attempt: its output goes to the logs, its processes are reaped, and all of them end with it.

Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.spool import SpoolWriter
from flow_core.agent.supervisor.launch import LaunchedProcess, LaunchError, OutputChannel, describe_exit
from flow_core.agent.supervisor.output import RankOutput
from flow_core.agent.supervisor.processes import ProcessIdentity, ProcessTree, read_grace_s
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.tree_end import end_tree

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask
    from flow_core.agent.supervisor.merged import MergedOutput

_PR_SET_CHILD_SUBREAPER = 36
_WRITE_AGAIN_S = 0.5
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class RunningAttempt:
    """One attempt. Make it before the first rank starts: from then on what the task leaves behind becomes this
    process's child, and every rank has a log."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal, contained: ContainerTask | None = None) -> None:
        self._ledger = ledger
        self._stop = stop
        self._contained = contained
        self.identities: list[ProcessIdentity] = []
        self._running: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._output = _output_of(ledger, stop.wait_for_room)

    def open_channel(self) -> OutputChannel:
        """Where the main process of the next rank writes. Raises OSError, LaunchError."""
        return self._output.open_channel(len(self.identities))

    def add(self, child: LaunchedProcess) -> None:
        """Takes over the main process of the next rank."""
        rank = len(self.identities)
        self.identities.append(ProcessIdentity.of(child.pid) or ProcessIdentity(child.pid, "", ""))
        self._running[child.pid] = rank
        self._output.add(rank, child)

    def keep(self) -> TaskOutcome:
        """Returns when each main process has ended, one of them failed or all had to stop, and nothing else lives."""
        while self._running and self._failed is None and not self._stop.is_set:
            self._pump(self._patience_s)
            if self._ledger.is_behind:
                self._ledger.write()
            if self._contained is not None:
                self._contained.kill_orphaned_clients(self._running)
        self._reap()  # one may have ended just before the order to stop came
        failed, others = self._failed, list(self._running.values())
        self._end_all()
        if failed is not None:
            return self._failure(failed, bool(others))
        if others:
            return self._stop.outcome(*self._end_of(others[0]))
        return TaskOutcome("completed", 0)

    def give_up(self, error: LaunchError) -> TaskOutcome:
        """The end of an attempt of which a rank could not be started; those that were are ended."""
        self._end_all()
        return TaskOutcome("failed", error.exit_code, str(error))

    @property
    def _patience_s(self) -> float:
        """For how long nothing but output and signals has to be looked after."""
        look_in_s = None if self._contained is None else self._contained.check_in_s
        write_in_s = _WRITE_AGAIN_S if self._ledger.is_behind else None
        return min(one for one in (self._stop.remaining_s, look_in_s, write_in_s) if one is not None)

    @property
    def _failed(self) -> int | None:
        """The first rank that ended badly."""
        return next((rank for rank, status in self._ends.items() if status), None)

    def _failure(self, rank: int, others: bool) -> TaskOutcome:
        code, message = self._end_of(rank)
        if self._ledger.ranks > 1:
            message = f"rank {rank} " + (f"was {message}" if message else f"exited with {code}")
            message += "; the others were stopped" if others else ""
        return TaskOutcome("failed", code, message)

    def _end_of(self, rank: int) -> tuple[int | None, str]:
        if rank not in self._ends:
            return None, ""
        end, state = describe_exit(self._ends[rank]), self._ledger.state
        if self._contained is None:
            return end
        return self._contained.explain_exit(*end, self._ledger.task.spool(state.attempt, rank))

    def _end_all(self) -> None:
        def pump_for(seconds: float) -> None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                self._pump(left)

        if self._contained is not None:
            self._contained.end(self.identities, pump_for)
        else:
            tree = ProcessTree(self._ledger.spec.mark, self.identities, os.getpid())
            end_tree(tree.members, read_grace_s(), pump_for, self._stop.is_urgent, self._has_no_child)
        while self._pump(0):
            pass
        self._close()

    def _has_no_child(self) -> bool:
        """As the one who inherits whatever the task leaves behind, this process would have it as a child."""
        self._reap()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return _libc is not None
        return False

    def _close(self) -> None:
        self._output.close()

    def _pump(self, timeout_s: float) -> bool:
        """Waits for output or a signal, takes one round of it; True when output came."""
        waits_s = [one for one in (timeout_s, self._output.check_in_s) if one is not None]
        came = self._output.take(self._stop.wait(set(self._output.fds), min(waits_s, default=None)))
        self._reap()
        return came

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (rank := self._running.pop(pid, None)) is not None:
                self._ends[rank] = status
            elif self._contained is not None:
                self._contained.note_unknown_exit()


def _output_of(ledger: TaskStateWriter, wait_for_room: Callable[[], bool]) -> RankOutput | MergedOutput:
    files = [ledger.task.spool(ledger.state.attempt, rank) for rank in range(ledger.ranks)]
    make_private_folder(files[0].log.parent)
    if ledger.spec.streams == "merged" and not ledger.spec.tty:
        from flow_core.agent.supervisor.merged import MergedOutput  # deferred: few tasks want it

        return MergedOutput(files, ledger.clock.now_us)
    spools = [SpoolWriter(one, ledger.clock.now_us, wait_for_room) for one in files]
    return RankOutput(spools, on_terminals=ledger.spec.tty)
