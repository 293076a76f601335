"""The tasks of one context of this machine, as records."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import NamedTuple

from flow_core.agent.layout import Layout
from flow_core.agent.task_pages import TaskPage
from flow_core.agent.task_report import TaskReport
from flow_core.agent.tasks import TaskStore
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.blocking_io import report_progress
from flow_core.providers.contract.listing import Listing
from flow_core.providers.local.sshd.address import add_ssh_address, find_ssh_port
from flow_core.providers.over_agent.task_conversion import to_record

_LISTS_MAX = 4
_UNFINISHED = tuple(status for status in TaskStatus if not status.is_final)
_SPARE_MAX = 100


class _Converted(NamedTuple):
    """A report with its record. `port` is that of the SSH server, None if none runs or the task doesn't."""

    report: TaskReport
    port: int | None
    record: TaskRecord


class LocalTasks(TaskStore):
    """The stored tasks as records. Converts each report once; unchanged reports keep their record."""

    def __init__(self, layout: Layout, region: str) -> None:
        super().__init__(layout, report_progress)
        self._region = region
        self._converted: dict[str, _Converted] = {}
        self._lists: list[tuple[TaskPage, int | None, Listing[TaskRecord]]] = []
        self._recent: tuple[Listing[TaskRecord], Listing[TaskRecord], Listing[TaskRecord]] | None = None
        """The last tasks, the unfinished ones, and both together."""
        self._convert_lock = threading.Lock()

    def list_records(self, statuses: Collection[str] | None = None, limit: int | None = None) -> Listing[TaskRecord]:
        """Returns the last submitted tasks that have one of these statuses (None: any), the last submitted first.

        Returns the same object again while nothing has changed.
        """
        page = self.list_newest(statuses, limit)
        port = find_ssh_port((task.report for task in page.tasks), self._layout.root)
        with self._convert_lock:
            for known_page, known_port, rows in self._lists:
                if known_page is page and known_port == port:
                    return rows
            listing = Listing.of((self._to_record(task.report, port) for task in page.tasks), total=page.total)
            self._lists = [*self._lists[1 - _LISTS_MAX :], (page, port, listing)]
            self._forget_old()
            return listing

    def list_recent(self, count: int) -> Listing[TaskRecord]:
        """Returns the last `count` tasks and every task that has not ended. `total` is the number of all tasks.

        Returns the same object again while nothing has changed.
        """
        newest = self.list_records(limit=count)
        if newest.total == len(newest):
            return newest
        unfinished = self.list_records(_UNFINISHED)
        if self._recent is None or self._recent[:2] != (newest, unfinished):
            shown = {record.task_id for record in newest}
            older = (record for record in unfinished if record.task_id not in shown)
            self._recent = newest, unfinished, Listing.of([*newest, *older], total=newest.total)
        return self._recent[2]

    def record(self, task_id: str) -> TaskRecord:
        """Returns the record of a task. Refuses with NO_TASK."""
        report = self.get(task_id).report
        port = find_ssh_port([report], self._layout.root)
        with self._convert_lock:
            record = self._to_record(report, port)
            self._forget_old()
            return record

    def _to_record(self, report: TaskReport, port: int | None) -> TaskRecord:
        known = self._converted.get(report.task_id)
        own_port = port if report.is_running else None
        if known is not None and known.port == own_port and (known.report is report or known.report == report):
            return known.record
        record = add_ssh_address(to_record(report, self._layout.context, self._region), own_port)
        self._converted[report.task_id] = _Converted(report, own_port, record)
        return record

    def _forget_old(self) -> None:
        """Keeps the records of the last lists, and of a number of other tasks."""
        if len(self._converted) > _SPARE_MAX + sum(len(rows) for _, _, rows in self._lists):
            shown = {record.task_id for _, _, rows in self._lists for record in rows}
            self._converted = {task_id: one for task_id, one in self._converted.items() if task_id in shown}
