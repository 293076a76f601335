"""The tasks of one context, read from their folders; a task that has ended is read only once."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from flow_core.agent import cancel
from flow_core.agent.ended_tasks import EndedTasks
from flow_core.agent.ids import is_task_id
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.refusals import Refused
from flow_core.agent.supervisor_start import start_reaper
from flow_core.agent.task_names import TaskNames
from flow_core.agent.task_pages import TaskPage, TaskPages
from flow_core.agent.task_reader import StoredTask, TaskReader

NO_TASK = "no_task"
BROKEN_NOT_CANCELLED = "broken_task_not_cancelled"

_WAIT_S = 0.25
_LINES_PER_WRITE = 500
_FOUND_MAX = 100


class TaskSurvey(NamedTuple):
    """All tasks: those that may change, the last submitted first, and the fingerprints of the ended ones by id.

    `ended` is the same object again while nothing has changed. `listings` counts how often the folder was listed.
    """

    changeable: list[StoredTask]
    ended: dict[str, str]
    listings: int


class TaskStore:
    """The tasks of one context. Blocking; may be used from several threads.

    A list reads only the tasks that may have changed since the last list. An ended task is known from the index, and
    its folder is compared with it once, when a list first returns it. What a user changes later in the folder of an
    ended task is noticed when the task is fetched by its id, or by the next process. `progress` is called while many
    files are read.
    """

    def __init__(self, layout: Layout, progress: Callable[[], None] = lambda: None) -> None:
        self._layout = layout
        self._progress = progress
        self.reset_after_fork()
        _all_tasks.add(self)

    def reset_after_fork(self) -> None:
        """Clears the caches and the lock, in a process that was just forked."""
        self._lock = threading.RLock()
        self._names = TaskNames(self._layout)
        self._reader = TaskReader(self._layout, self._progress)
        self._ended = EndedTasks(self._layout)
        self._pages = TaskPages(self._ended, self._reader)
        self._changeable: dict[str, StoredTask | None] = {}
        self._changes = 0
        self._found: dict[str, StoredTask] = {}
        self._fingerprints: tuple[int, dict[str, str]] = (-1, {})

    def list_all(self) -> list[StoredTask]:
        """Returns every task, the last submitted first."""
        return list(self.list_newest().tasks)

    def list_newest(self, statuses: Collection[str] | None = None, limit: int | None = None) -> TaskPage:
        """Returns the last submitted tasks that have one of these statuses (None: any), the last submitted first.

        Returns the same object again while nothing has changed.
        """
        with self._hold_lock():
            self._refresh()
            page, stale = self._make_page(statuses, limit)
            if stale and self._ended.is_outdated:
                self._refresh()  # reads the new index
                page, stale = self._make_page(statuses, limit)
            while stale:
                self._read_again(stale)
                page, stale = self._make_page(statuses, limit)
            return page

    def survey(self) -> TaskSurvey:
        """Returns all tasks, without the reports of the ended ones; `read_ended` returns these."""
        with self._hold_lock():
            self._refresh()
            if self._fingerprints[0] != self._ended.changes:
                self._fingerprints = (self._ended.changes, self._ended.get_fingerprints())
            return TaskSurvey(self._list_changeable(), self._fingerprints[1], self._names.listings)

    def read_ended(self, task_ids: Iterable[str]) -> list[StoredTask]:
        """Returns those of these ended tasks that still exist, in any order."""
        with self._hold_lock():
            tasks, stale = self._pages.read(task_id for task_id in task_ids if task_id in self._ended)
            return [*tasks, *filter(None, map(self.find, stale))]

    def list_unfinished(self) -> list[StoredTask]:
        """Returns the tasks that haven't ended, the last submitted first."""
        with self._hold_lock():
            self._refresh()
            return [task for task in self._list_changeable() if not task.report.is_over]

    def find_by_key(self, key: str) -> StoredTask | None:
        """Returns the last submitted task with this idempotency key; None if there is none."""
        with self._hold_lock():
            self._refresh()
            ended = filter(None, map(self.find, self._ended.find_by_key(key)))
            tasks = [*self._list_changeable(), *ended]
        found = (task for task in tasks if task.report.config.get("idempotency_key") == key)
        return max(found, key=lambda task: task.seq, default=None)

    def find(self, task_id: str) -> StoredTask | None:
        """Returns a task as its folder describes it now; None if there is no such task."""
        if not is_task_id(task_id):
            return None
        with self._hold_lock():
            task = self._reader.load(task_id)
            if task is None or task is not self._found.get(task_id):
                self._keep_found(task_id, task)
                if task_id in self._changeable or task_id in self._ended:
                    self._sort_in(task_id, task)
            return task

    def get(self, task_id: str) -> StoredTask:
        """Returns a task as its folder describes it now. Refuses with NO_TASK."""
        stored = self.find(task_id)
        if stored is None:
            raise self._no_task_error(task_id)
        return stored

    def cancel(self, task_id: str, *, force: bool) -> None:
        """Orders the supervisor to cancel the task. With `force` this may take about 5 s.

        Calling it again is safe, also after the task has ended. Refuses with NO_TASK, BROKEN_NOT_CANCELLED. Raises
        OSError if the order can't be delivered.
        """
        stored, folder = self.get(task_id), self.get_folder(task_id)
        if stored.is_broken:
            raise Refused(BROKEN_NOT_CANCELLED, task_id=task_id, problem=stored.problem, folder=str(folder.path))
        if stored.report.is_over:
            return
        cancel.write_cancel_order(folder, force=force)
        if force and cancel.end_stuck_supervisor(folder, self._progress):
            start_reaper(folder)

    def get_folder(self, task_id: str) -> TaskFolder:
        """Returns the folder of a task. Refuses with NO_TASK."""
        folder = self._layout.task(task_id)
        if not is_task_id(task_id) or not folder.path.is_dir():
            raise self._no_task_error(task_id)
        return folder

    def _no_task_error(self, task_id: str) -> Refused:
        return Refused(NO_TASK, task_id=task_id[:40], context=self._layout.context)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Holds the lock. While this waits, it reports progress as long as the holder makes progress."""
        reads = self._reader.reads
        while not self._lock.acquire(timeout=_WAIT_S):
            if self._reader.reads != reads:
                reads = self._reader.reads
                self._progress()
        try:
            yield
        finally:
            self._lock.release()

    def _list_changeable(self) -> list[StoredTask]:
        found = (task for task in self._changeable.values() if task is not None)
        return sorted(found, key=lambda task: (task.seq, task.task_id), reverse=True)

    def _refresh(self) -> None:
        """Reads every task that may have changed. The index describes all others."""
        names = self._names.list_if_changed(is_forced=self._ended.is_outdated)
        if names is not None:
            self._take_names(names)
        for task_id in list(self._changeable):
            if self._ended.unwritten_count >= _LINES_PER_WRITE:
                self._ended.write()
            self._sort_in(task_id, self._reader.load(task_id))
        self._ended.write()

    def _take_names(self, names: set[str]) -> None:
        self._ended.synchronize(names)
        for task_id in self._changeable.keys() - names:  # removed by this or another program
            self._sort_in(task_id, None)
        for name in self._ended.find_unknown(names) - self._changeable.keys():
            if is_task_id(name):
                self._changeable[name] = None

    def _sort_in(self, task_id: str, task: StoredTask | None) -> None:
        """Decides whether a task that was just read may change again. None: it doesn't exist."""
        is_ended = task is not None and task.is_settled and self._add_ended(task)
        if task is None:
            self._ended.remove(task_id)
        elif not is_ended:
            if task_id in self._ended:
                self._ended.exclude(task_id)
            before = self._changeable.get(task_id)
            self._changes += before is not task and before != task
            self._changeable[task_id] = task
            return
        self._changes += task_id in self._changeable
        self._changeable.pop(task_id, None)
        if task_id not in self._found:
            self._reader.drop(task_id)

    def _add_ended(self, task: StoredTask) -> bool:
        return self._ended.add(task.report, self._reader.get_stamps(task.task_id))

    def _make_page(self, statuses: Collection[str] | None, limit: int | None) -> tuple[TaskPage, list[str]]:
        version = (self._changes, self._ended.changes)
        return self._pages.get(version, self._list_changeable(), statuses, limit)

    def _read_again(self, task_ids: Iterable[str]) -> None:
        """Reads tasks from their folders, which differ from the index."""
        for task_id in task_ids:
            task = self._reader.load(task_id)
            if task is not None and task.is_settled:
                self._ended.remove(task_id)  # its line may be right, and its report unreadable
            self._sort_in(task_id, task)

    def _keep_found(self, task_id: str, task: StoredTask | None) -> None:
        """Keeps the last tasks that were fetched by their ids, so that the next fetch returns the same objects."""
        self._found.pop(task_id, None)
        if task is not None:
            self._found[task_id] = task
        while len(self._found) > _FOUND_MAX:
            oldest = next(iter(self._found))
            del self._found[oldest]
            if oldest not in self._changeable:
                self._reader.drop(oldest)


_all_tasks: weakref.WeakSet[TaskStore] = weakref.WeakSet()


def _after_fork() -> None:
    """Resets all stores in a forked child: a thread that doesn't exist there may have held the lock."""
    for tasks in _all_tasks:
        tasks.reset_after_fork()


os.register_at_fork(after_in_child=_after_fork)
