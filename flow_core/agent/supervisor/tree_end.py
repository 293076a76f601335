"""Ending all processes of a task, and the proof that none is left. Standard library only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

from flow_core.agent.supervisor.process_table import ProcessInfo, list_processes
from flow_core.agent.supervisor.processes import send_signal

_LOOKS = 2


def end_tree(
    find: Callable[[], list[ProcessInfo]],
    grace_s: float,
    pause: Callable[[float], None] = time.sleep,
    is_urgent: Callable[[], bool] = lambda: False,
    is_proven: Callable[[], bool] = lambda: False,
) -> None:
    """SIGTERM to all, SIGKILL to those still there after the grace (at once when urgent). Returns when none lives.

    The proof of that is `is_proven`, for whoever is the parent of all that is left behind; else that nothing is found
    twice in a row. Processes that start others faster than they can be found are killed by their process groups, which
    the kernel does in one step.
    """
    deadline = time.monotonic() + grace_s
    told: set[tuple[int, str]] = set()
    delay_s, empty_looks = 0.005, 0
    while True:
        members = find()
        empty_looks = 0 if members else empty_looks + 1
        if empty_looks and (is_proven() or empty_looks >= _LOOKS):
            return
        known = len(told)
        if is_urgent() or time.monotonic() >= deadline:
            _kill(members)
        else:
            _terminate(members, told)
        told.update((one.pid, one.start) for one in members)
        if len(told) > known:
            delay_s = 0.005  # others may have come meanwhile
        pause(delay_s)
        delay_s = min(delay_s * 1.5, 0.25)


def _terminate(members: Sequence[ProcessInfo], told: set[tuple[int, str]]) -> None:
    for one in members:
        if (one.pid, one.start) not in told:
            send_signal(one.pid, one.start, signal.SIGTERM)
            send_signal(one.pid, one.start, signal.SIGCONT)


def _kill(members: Sequence[ProcessInfo]) -> None:
    for group in _whole_groups(members):
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            pass  # gone meanwhile, or partly somebody else's: its processes are next, one by one
    for one in members:
        send_signal(one.pid, one.start, signal.SIGKILL)


def _whole_groups(members: Sequence[ProcessInfo]) -> set[int]:
    """The process groups in which there is nobody but the task's own."""
    groups = {one.group for one in members}
    if not groups:
        return groups
    table = list_processes()
    inside = {(one.pid, one.start) for one in members}
    sessions = {one.session for one in members}
    # One that has come since is the task's own, unless somebody else leads its session.
    ours = {pid for pid in sessions if pid not in table or (pid, table[pid].start) in inside or table[pid].is_zombie}
    for one in table.values():
        if not one.is_zombie and (one.pid, one.start) not in inside and one.session not in ours:
            groups.discard(one.group)
    return groups - {0, os.getpgrp()}
