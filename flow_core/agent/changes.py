"""The changes of a machine's tasks since the last request of a client."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, NamedTuple

from flow_core.agent.capacity import queue
from flow_core.agent.layout import Layout
from flow_core.agent.legacy_tasks import find_legacy_tasks
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import StoredTask, TaskStore

_FULL_SCAN_S = 30.0  # for records of ended tasks that a user edits by hand
_RACE_S = 2.0  # a folder that changed this recently may change again within the same mtime
_REMOVED_MAX = 1000


class _KnownTask(NamedTuple):
    """A task as last reported, with the number of the scan that found this state."""

    stored: StoredTask
    report: TaskReport
    scan_number: int


class TaskChanges:
    """The changes of one context's tasks.

    Checks every unfinished task on each request, and the others only if a task was added or removed. May be used from
    several threads.
    """

    def __init__(self, tasks: TaskStore, layout: Layout) -> None:
        self._tasks = tasks
        self._layout = layout
        self._process = os.urandom(4).hex()
        self._known: dict[str, _KnownTask] = {}
        self._removed: dict[str, int] = {}
        self._oldest_scan = 0
        self._scan_number = 0
        self._stamp: tuple[int, int] | None = None
        self._full_scan_at = -_FULL_SCAN_S
        self._legacy: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get_changes_since(self, scan_number: int, process: str) -> dict[str, Any] | None:
        """Returns every task that has changed after scan `scan_number` of process `process`; None if none has.

        `is_all` means that the list is complete: a task that it doesn't contain no longer exists. `earlier` describes
        the tasks of the program that preceded this agent.
        """
        with self._lock:
            self._scan()
            if process == self._process and scan_number == self._scan_number:
                return None
            is_all = process != self._process or not self._oldest_scan <= scan_number < self._scan_number
            changed = [known.report for known in self._known.values() if is_all or known.scan_number > scan_number]
            removed = [] if is_all else [task_id for task_id, at in self._removed.items() if at > scan_number]
            tasks = [report._asdict() for report in changed]
            return {
                "look": self._scan_number,
                "process": self._process,
                "is_all": is_all,
                "tasks": tasks,
                "gone": removed,
                "earlier": self._legacy,
            }

    def describe(self, stored: StoredTask) -> dict[str, Any]:
        """Returns one task in the form that clients receive."""
        return self._report(stored)._asdict()

    def _scan(self) -> None:
        stamp, now = self._folder_stamp(), time.monotonic()
        legacy = self._legacy
        if stamp is None or stamp != self._stamp or now - self._full_scan_at >= _FULL_SCAN_S:
            self._stamp, self._full_scan_at = stamp, now
            found = self._tasks.list_all()
            legacy = find_legacy_tasks()
            removed = self._known.keys() - {stored.task_id for stored in found}
        else:
            unfinished = [known.stored.task_id for known in self._known.values() if not known.report.is_over]
            found = [stored for task_id in unfinished if (stored := self._tasks.find(task_id)) is not None]
            removed = set(unfinished) - {stored.task_id for stored in found}
        changed = [(one, report) for one in found if self._is_new(one, report := self._report(one))]
        if changed or removed or legacy != self._legacy or not self._scan_number:
            self._scan_number += 1
            self._legacy = legacy
        for stored, report in changed:
            self._known[stored.task_id] = _KnownTask(stored, report, self._scan_number)
        for task_id in removed:
            del self._known[task_id]
            self._removed[task_id] = self._scan_number
        while len(self._removed) > _REMOVED_MAX:
            self._oldest_scan = self._removed.pop(next(iter(self._removed)))

    def _is_new(self, stored: StoredTask, report: TaskReport) -> bool:
        known = self._known.get(stored.task_id)
        return known is None or (known.report is not report and known.report != report)

    def _folder_stamp(self) -> tuple[int, int] | None:
        """Returns a stamp of the folder of tasks; None if it can't show whether a task was added or removed."""
        try:
            status = os.stat(self._layout.tasks)
        except OSError:
            return None
        return None if time.time() - status.st_mtime < _RACE_S else (status.st_ino, status.st_mtime_ns)

    def _report(self, stored: StoredTask) -> TaskReport:
        """Returns the report of a task. For a waiting part, adds whether it could start now."""
        report = stored.report
        if stored.spec is None or report.status != "pending" or stored.spec.part is None:
            return report
        task = self._layout.task(stored.task_id)
        if stored.state is None or stored.state.supervisor is None:
            return report
        if stored.state.held_by:
            return report._replace(is_ready=True)
        ticket = queue.find_ticket(task, stored.seq) if stored.spec.needs_gpus else None
        is_ready = not stored.spec.needs_gpus or (ticket is not None and not queue.explain_queue_wait(ticket))
        return report._replace(is_ready=is_ready)
