"""Lists of tasks: the changeable ones, and as many of the ended ones as a caller wants."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from flow_core.agent.ended_lines import EndedReport
from flow_core.agent.ended_tasks import EndedTasks
from flow_core.agent.task_reader import StoredTask, TaskReader

if TYPE_CHECKING:
    _Key = tuple[frozenset[str] | None, int | None]

_PAGES_MAX = 4
_SPARE_MAX = 100


class TaskPage(NamedTuple):
    """The last submitted tasks that have one of some statuses, and the number of all tasks that have."""

    tasks: tuple[StoredTask, ...]
    total: int


class TaskPages:
    """The last lists that callers wanted. They are made again only after a change. One thread may use it at a time."""

    def __init__(self, ended: EndedTasks, reader: TaskReader) -> None:
        self._ended = ended
        self._reader = reader
        self._pages: dict[_Key, tuple[object, TaskPage]] = {}
        self._rows: dict[str, tuple[str, StoredTask]] = {}

    def get(
        self, version: object, changeable: Iterable[StoredTask], statuses: Collection[str] | None, limit: int | None
    ) -> tuple[TaskPage, list[str]]:
        """Returns a list, and the ids of the ended tasks that it lacks because they differ from their folders.

        If there are any, read these folders and call it again. `version` stands for the state of all tasks.
        """
        key = (None if statuses is None else frozenset(statuses), limit)
        known = self._pages.get(key)
        if known is not None and known[0] == version:
            return known[1], []
        others = [task for task in changeable if statuses is None or task.report.status in statuses]
        ended_ids = list(islice(self._ended.iter_newest(statuses), limit))
        ended, stale = self._find_rows(ended_ids)
        rows = sorted([*others, *ended], key=lambda task: (task.seq, task.task_id), reverse=True)
        page = TaskPage(tuple(rows[:limit]), len(others) + self._ended.count(statuses))
        if not stale:
            self._pages.pop(key, None)
            self._pages[key] = (version, page)
            self._forget_old()
        return page, stale

    def read(self, task_ids: Iterable[str]) -> tuple[list[StoredTask], list[str]]:
        """Reads ended tasks from the index; also returns the ids of those that differ from their folders."""
        ids = list(task_ids)
        loaded = self._ended.load(ids)
        tasks: list[StoredTask] = []
        stale: list[str] = []
        for task_id in ids:
            found = loaded.get(task_id)
            if found is None or not self._is_current(task_id, found):
                stale.append(task_id)
                continue
            self._ended.set_checked(task_id)
            tasks.append(StoredTask(found.report.seq, task_id, found.report, None, None))
        return tasks, stale

    def _find_rows(self, task_ids: list[str]) -> tuple[list[StoredTask], list[str]]:
        fingerprints = {task_id: self._ended.get_fingerprint(task_id) for task_id in task_ids}
        missing = [task_id for task_id in task_ids if self._rows.get(task_id, (None,))[0] != fingerprints[task_id]]
        tasks, stale = self.read(missing)
        self._rows.update((task.task_id, (fingerprints[task.task_id], task)) for task in tasks)
        lacking = set(stale)
        return [self._rows[task_id][1] for task_id in task_ids if task_id not in lacking], stale

    def _is_current(self, task_id: str, found: EndedReport) -> bool:
        return self._ended.is_checked(task_id) or found.stamps == self._reader.find_stamps(task_id)

    def _forget_old(self) -> None:
        """Keeps the last lists, and the rows of ended tasks that they contain."""
        while len(self._pages) > _PAGES_MAX:
            del self._pages[next(iter(self._pages))]
        if len(self._rows) > _SPARE_MAX + sum(len(page.tasks) for _, page in self._pages.values()):
            shown = {task.task_id for _, page in self._pages.values() for task in page.tasks}
            self._rows = {task_id: row for task_id, row in self._rows.items() if task_id in shown}
