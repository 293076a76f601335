"""Telling processes apart for good, and finding all that belong to a task. Standard library only."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any, NamedTuple

from flow_core.agent.record_fields import Fields
from flow_core.agent.supervisor.process_table import ProcessInfo, boot_id, find_process, list_processes, read_task_mark

_PID_MAX = (1 << 31) - 1


class ProcessIdentity(NamedTuple):
    """A process, told from every other that ever had or will have its number."""

    pid: int
    start: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        found = find_process(pid)
        return None if found is None else cls(pid, found.start, boot_id())

    @classmethod
    def mine(cls) -> ProcessIdentity:
        me = cls.of(os.getpid())
        return me if me is not None else cls(os.getpid(), "", boot_id())

    @classmethod
    def parse(cls, data: Any) -> ProcessIdentity | None:
        """Raises ValueError for anything that isn't one."""
        if data is None:
            return None
        fields = Fields(data)
        return cls(fields.whole("pid", least=1, most=_PID_MAX), fields.text("start"), fields.text("boot"))

    @property
    def is_alive(self) -> bool:
        found = find_process(self.pid)
        return found is not None and found.start == self.start and not found.is_zombie and self.is_of_this_boot

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot == boot_id()

    def send(self, number: int) -> bool:
        """Signals this very process; False when it is gone."""
        return self.is_of_this_boot and send_signal(self.pid, self.start, number)


class ProcessTree(NamedTuple):
    """All processes of one task: by the mark in their environment, by descent, and by session.

    A process that carries another task's mark belongs to that task, with everything below it.
    """

    mark: str
    children: Sequence[ProcessIdentity]
    supervisor_pid: int | None = None

    def members(self) -> list[ProcessInfo]:
        """Those alive now, the supervisor and the caller left out."""
        table = list_processes()
        marks = {pid: read_task_mark(pid) for pid in table}
        inside = {pid for pid, mark in marks.items() if mark == self.mark}
        inside.update(self._sessions(table, marks))
        self._add_descendants(inside, table, marks)
        inside -= {self.supervisor_pid, os.getpid()}
        return [table[pid] for pid in inside if not table[pid].is_zombie]

    def _sessions(self, table: dict[int, ProcessInfo], marks: dict[int, str | None]) -> set[int]:
        led = {child.pid for child in self.children if child.is_of_this_boot}
        for child in self.children:
            if (leader := table.get(child.pid)) is not None and leader.start != child.start:
                led.discard(child.pid)  # the number now belongs to somebody else
        return {one.pid for one in table.values() if one.session in led and marks[one.pid] is None}

    def _add_descendants(self, inside: set[int], table: dict[int, ProcessInfo], marks: dict[int, str | None]) -> None:
        below: dict[int, list[int]] = {}
        for one in table.values():
            below.setdefault(one.parent, []).append(one.pid)
        waiting = [*inside, *([] if self.supervisor_pid is None else [self.supervisor_pid])]
        while waiting:
            for pid in below.get(waiting.pop(), ()):
                if pid not in inside and marks[pid] in (None, self.mark):
                    inside.add(pid)
                    waiting.append(pid)


def send_signal(pid: int, start: str, number: int) -> bool:
    """Signals the process of this number if it started then; False when it is gone or not ours."""
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return False
    try:
        found = find_process(pid)
        if found is None or found.start != start:
            return False
        if handle is not None:
            signal.pidfd_send_signal(handle, number)
        else:
            os.kill(pid, number)
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def read_grace_s() -> float:
    """How long processes may take to end after SIGTERM."""
    try:
        return float(os.environ["FLOW_LOCAL_GRACE_S"])
    except (KeyError, ValueError):
        return 5.0
