"""Supervises one running attempt: writes its output to the logs, reaps its processes, and ends all of them with it."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.termination import end_tree
from flow_core.agent.processes.tree import ProcessIdentity, ProcessTree, read_grace_s
from flow_core.agent.spool import SpoolWriter
from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.output import RankOutput
from flow_core.agent.supervisor.process_launch import LaunchedProcess, OutputChannel, describe_exit
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal

if TYPE_CHECKING:
    from flow_core.agent.containers.container_task import ContainerTask
    from flow_core.agent.supervisor.merged_output import MergedOutput

_PR_SET_CHILD_SUBREAPER = 36
_WRITE_RETRY_S = 0.5
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class RunningAttempt:
    """One attempt. Create it before the first rank starts.

    From then on orphans of the task become children of this process, and every rank has a log.
    """

    def __init__(self, writer: TaskStateWriter, stop: StopSignal, container_task: ContainerTask | None = None) -> None:
        self._writer = writer
        self._stop = stop
        self._container_task = container_task
        self.identities: list[ProcessIdentity] = []
        self._running: dict[int, int] = {}
        self._exit_statuses: dict[int, int] = {}
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._output = _make_output(writer, stop.wait_for_room)

    def open_channel(self) -> OutputChannel:
        """Opens the output channel of the next rank's main process. Raises OSError, LaunchError."""
        return self._output.open_channel(len(self.identities))

    def add(self, child: LaunchedProcess) -> None:
        """Adds the main process of the next rank."""
        rank = len(self.identities)
        self.identities.append(ProcessIdentity.of(child.pid) or ProcessIdentity(child.pid, "", ""))
        self._running[child.pid] = rank
        self._output.add(rank, child)

    def supervise(self) -> TaskOutcome:
        """Waits until every main process has ended, one has failed, or the task must stop.

        Then ends all other processes and returns the outcome.
        """
        while self._running and self._failed_rank is None and not self._stop.is_set:
            self._handle_events(self._wait_timeout_s)
            if self._writer.is_outdated:
                self._writer.write()
            if self._container_task is not None:
                self._container_task.kill_orphaned_clients(self._running)
        self._reap()  # a rank may have ended just before the stop signal arrived
        failed_rank, others = self._failed_rank, list(self._running.values())
        self._end_all()
        if failed_rank is not None:
            return self._describe_failure(failed_rank, bool(others))
        if others:
            return self._stop.build_outcome(*self._explain_exit(others[0]))
        return TaskOutcome("completed", 0)

    def abort(self, error: LaunchError) -> TaskOutcome:
        """Returns the outcome of an attempt that couldn't start a rank; ends the ranks that were started."""
        self._end_all()
        return TaskOutcome("failed", error.exit_code, str(error))

    @property
    def _wait_timeout_s(self) -> float:
        """The time until the next event that is neither output nor a signal."""
        check_in_s = None if self._container_task is None else self._container_task.check_in_s
        retry_in_s = _WRITE_RETRY_S if self._writer.is_outdated else None
        return min(one for one in (self._stop.remaining_s, check_in_s, retry_in_s) if one is not None)

    @property
    def _failed_rank(self) -> int | None:
        """The first rank that failed."""
        return next((rank for rank, status in self._exit_statuses.items() if status), None)

    def _describe_failure(self, rank: int, others: bool) -> TaskOutcome:
        code, message = self._explain_exit(rank)
        if self._writer.ranks > 1:
            message = f"rank {rank} " + (f"was {message}" if message else f"exited with {code}")
            message += "; the others were stopped" if others else ""
        return TaskOutcome("failed", code, message)

    def _explain_exit(self, rank: int) -> tuple[int | None, str]:
        if rank not in self._exit_statuses:
            return None, ""
        end, state = describe_exit(self._exit_statuses[rank]), self._writer.state
        if self._container_task is None:
            return end
        return self._container_task.explain_exit(*end, self._writer.task.get_spool(state.attempt, rank))

    def _end_all(self) -> None:
        def pause_for(seconds: float) -> None:
            end = time.monotonic() + seconds
            while (remaining_s := end - time.monotonic()) > 0:
                self._handle_events(remaining_s)

        if self._container_task is not None:
            self._container_task.end(self.identities, pause_for)
        else:
            tree = ProcessTree(self._writer.spec.mark, self.identities, os.getpid())
            end_tree(tree.list_members, read_grace_s(), pause_for, self._stop.is_urgent, self._has_no_child)
        while self._handle_events(0):
            pass
        self._close()

    def _has_no_child(self) -> bool:
        """Returns whether no process of the task is left: this process is the subreaper, so each would be its child."""
        self._reap()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return _libc is not None
        return False

    def _close(self) -> None:
        self._output.close()

    def _handle_events(self, timeout_s: float) -> bool:
        """Waits for output or a signal and reads one round of output; returns whether there was output."""
        timeouts_s = [one for one in (timeout_s, self._output.check_in_s) if one is not None]
        has_output = self._output.read(self._stop.wait(set(self._output.fds), min(timeouts_s, default=None)))
        self._reap()
        return has_output

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (rank := self._running.pop(pid, None)) is not None:
                self._exit_statuses[rank] = status
            elif self._container_task is not None:
                self._container_task.note_unknown_exit()


def _make_output(writer: TaskStateWriter, wait_for_room: Callable[[], bool]) -> RankOutput | MergedOutput:
    files = [writer.task.get_spool(writer.state.attempt, rank) for rank in range(writer.ranks)]
    make_private_folder(files[0].log.parent)
    if writer.spec.streams == "merged" and not writer.spec.tty:
        from flow_core.agent.supervisor.merged_output import MergedOutput  # lazy import: few tasks merge their streams

        return MergedOutput(files, writer.clock.now_us)
    spools = [SpoolWriter(one, writer.clock.now_us, wait_for_room) for one in files]
    return RankOutput(spools, on_terminals=writer.spec.tty)
