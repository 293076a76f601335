"""Identifies processes uniquely, and finds all processes of a task."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any, NamedTuple

from flow_core.agent.processes.table import ProcessInfo, find_process, list_processes, read_boot_id, read_task_mark
from flow_core.agent.record_fields import Fields

_PID_MAX = (1 << 31) - 1


class ProcessIdentity(NamedTuple):
    """One process, distinguished from every earlier or later process with the same pid."""

    pid: int
    start: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Returns the identity of the process that has this pid now; None if there is none."""
        found = find_process(pid)
        return None if found is None else cls(pid, found.start, read_boot_id())

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Returns the identity of this process."""
        identity = cls.of(os.getpid())
        return identity if identity is not None else cls(os.getpid(), "", read_boot_id())

    @classmethod
    def parse(cls, data: Any) -> ProcessIdentity | None:
        """Parses an identity; None stays None. Raises ValueError for anything else."""
        if data is None:
            return None
        fields = Fields(data)
        return cls(fields.whole("pid", minimum=1, maximum=_PID_MAX), fields.text("start"), fields.text("boot"))

    @property
    def is_alive(self) -> bool:
        found = find_process(self.pid)
        return found is not None and found.start == self.start and not found.is_zombie and self.is_of_this_boot

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot == read_boot_id()

    def send(self, number: int) -> bool:
        """Sends a signal to exactly this process; returns False if it has ended."""
        return self.is_of_this_boot and send_signal(self.pid, self.start, number)


class ProcessTree(NamedTuple):
    """All processes of one task: by the mark in their environment, by descent, and by session.

    A process that carries another task's mark belongs to that task, with all its descendants.
    """

    mark: str
    children: Sequence[ProcessIdentity]
    supervisor_pid: int | None = None

    def list_members(self) -> list[ProcessInfo]:
        """Returns the live processes, without the supervisor and the caller."""
        table = list_processes()
        marks = {pid: read_task_mark(pid) for pid in table}
        members = {pid for pid, mark in marks.items() if mark == self.mark}
        members.update(self._find_session_members(table, marks))
        self._add_descendants(members, table, marks)
        members -= {self.supervisor_pid, os.getpid()}
        return [table[pid] for pid in members if not table[pid].is_zombie]

    def _find_session_members(self, table: dict[int, ProcessInfo], marks: dict[int, str | None]) -> set[int]:
        leaders = {child.pid for child in self.children if child.is_of_this_boot}
        for child in self.children:
            if (leader := table.get(child.pid)) is not None and leader.start != child.start:
                leaders.discard(child.pid)  # the pid now belongs to another process
        return {one.pid for one in table.values() if one.session in leaders and marks[one.pid] is None}

    def _add_descendants(self, members: set[int], table: dict[int, ProcessInfo], marks: dict[int, str | None]) -> None:
        children_of: dict[int, list[int]] = {}
        for process in table.values():
            children_of.setdefault(process.parent, []).append(process.pid)
        pending = [*members, *([] if self.supervisor_pid is None else [self.supervisor_pid])]
        while pending:
            for pid in children_of.get(pending.pop(), ()):
                if pid not in members and marks[pid] in (None, self.mark):
                    members.add(pid)
                    pending.append(pid)


def send_signal(pid: int, start: str, number: int) -> bool:
    """Sends a signal to the process with this pid and start time; returns False if it has ended or isn't the user's."""
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
    """Returns the time that processes have to end after SIGTERM."""
    try:
        return float(os.environ["FLOW_LOCAL_GRACE_S"])
    except (KeyError, ValueError):
        return 5.0
