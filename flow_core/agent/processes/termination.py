"""Ends all processes of a task, and verifies that none is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

from flow_core.agent.processes.table import ProcessInfo, list_processes
from flow_core.agent.processes.tree import send_signal

_EMPTY_SCANS = 2


def end_tree(
    find_members: Callable[[], list[ProcessInfo]],
    grace_s: float,
    pause: Callable[[float], None] = time.sleep,
    is_urgent: Callable[[], bool] = lambda: False,
    is_proven: Callable[[], bool] = lambda: False,
) -> None:
    """Sends SIGTERM to all processes; after the grace period SIGKILL (immediately if urgent). Returns when none lives.

    No process is left if `is_proven` returns true, for a caller that is the parent of all orphans; otherwise if two
    scans in a row find none. Processes that start others faster than a scan can find them are killed by their process
    groups, which the kernel does in process step.
    """
    deadline = time.monotonic() + grace_s
    signalled: set[tuple[int, str]] = set()
    delay_s, empty_scans = 0.005, 0
    while True:
        members = find_members()
        empty_scans = 0 if members else empty_scans + 1
        if empty_scans and (is_proven() or empty_scans >= _EMPTY_SCANS):
            return
        known = len(signalled)
        if is_urgent() or time.monotonic() >= deadline:
            _kill(members)
        else:
            _terminate(members, signalled)
        signalled.update((process.pid, process.start) for process in members)
        if len(signalled) > known:
            delay_s = 0.005  # more processes may have started meanwhile
        pause(delay_s)
        delay_s = min(delay_s * 1.5, 0.25)


def _terminate(members: Sequence[ProcessInfo], signalled: set[tuple[int, str]]) -> None:
    for process in members:
        if (process.pid, process.start) not in signalled:
            send_signal(process.pid, process.start, signal.SIGTERM)
            send_signal(process.pid, process.start, signal.SIGCONT)


def _kill(members: Sequence[ProcessInfo]) -> None:
    for group in _find_own_groups(members):
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            pass  # it has ended, or has processes of another user: they are killed process by process below
    for process in members:
        send_signal(process.pid, process.start, signal.SIGKILL)


def _find_own_groups(members: Sequence[ProcessInfo]) -> set[int]:
    """Returns the process groups that contain only processes of the task."""
    groups = {process.group for process in members}
    if not groups:
        return groups
    table = list_processes()
    known = {(process.pid, process.start) for process in members}
    sessions = {process.session for process in members}
    # A process that started since the scan belongs to the task, unless another process leads its session.
    own_sessions = {
        pid for pid in sessions if pid not in table or (pid, table[pid].start) in known or table[pid].is_zombie
    }
    for process in table.values():
        if not process.is_zombie and (process.pid, process.start) not in known and process.session not in own_sessions:
            groups.discard(process.group)
    return groups - {0, os.getpgrp()}
