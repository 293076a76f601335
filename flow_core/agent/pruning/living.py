"""The tasks that still have a live process, from one scan of all processes."""

from __future__ import annotations

from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.process_table import list_processes, read_task_mark


class LivingProcesses:
    """All processes at the time of creation.

    A process belongs to a task by the mark in its environment, otherwise by its session. In doubt it belongs to the
    task.
    """

    def __init__(self) -> None:
        self._table = {pid: one for pid, one in list_processes().items() if not one.is_zombie}
        marks = {pid: read_task_mark(pid) for pid in self._table}
        self._marks = frozenset(marks.values())
        self._sessions = frozenset(one.session for pid, one in self._table.items() if marks[pid] is None)

    def has_any(self, spec: StoredSpec, state: TaskState) -> bool:
        """True if one of them belongs to this task."""
        return spec.mark in self._marks or any(
            child.is_of_this_boot and child.pid in self._sessions and not self._is_reused(child.pid, child.start)
            for child in state.children
        )

    def _is_reused(self, pid: int, start: str) -> bool:
        """True if the pid now belongs to another process."""
        leader = self._table.get(pid)
        return leader is not None and leader.start != start
