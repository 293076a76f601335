"""The ended tasks of one context, known by their lines in the index, without a look at their folders."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator

from flow_core.agent.ended_index import EndedIndex
from flow_core.agent.ended_lines import (
    REMOVED,
    EndedEntry,
    EndedReport,
    format_line,
    format_removal,
    get_entry,
    hash_key,
    parse_line,
)
from flow_core.agent.layout import Layout
from flow_core.agent.task_report import TaskReport

_RETRY_S = 30.0


class EndedTasks:
    """The ended tasks of one context. Holds about 400 bytes for each, and reads their reports when asked.

    `changes` counts the changes. If `is_outdated` is true, another process has replaced the index, or this one has:
    call `synchronize`. One thread may use it at a time.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._index = EndedIndex(layout)
        self._entries: dict[str, EndedEntry] = {}
        self._unwritten: dict[str, bytes] = {}
        self._unfit: set[str] = set()
        self._checked: set[str] = set()
        self._order: list[str] = []
        self._ordered_at = self.changes = 0
        self.is_outdated = self._is_wasteful = False
        self._retry_at = 0.0

    @property
    def unwritten_count(self) -> int:
        """The number of tasks whose lines `write` has yet to write."""
        return len(self._unwritten)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get_fingerprints(self) -> dict[str, int]:
        """Returns a number for each task, which is another one for another report."""
        return {task_id: entry.fingerprint for task_id, entry in self._entries.items()}

    def get_fingerprint(self, task_id: str) -> int:
        return self._entries[task_id].fingerprint

    def synchronize(self, names: Collection[str]) -> None:
        """Takes over what other processes have written, and drops every task that isn't in `names`."""
        self.is_outdated = False
        is_other, lines = self._index.read_new()
        if is_other:
            self._forget_all()
        for task_id, entry in lines:
            self._take_over(task_id, entry)
        for task_id in [task_id for task_id in self._entries if task_id not in names]:
            self.remove(task_id)
        self._is_wasteful = self._index.is_wasteful(sum(entry.size for entry in self._entries.values()))

    def add(self, report: TaskReport, stamps: tuple[tuple[int, int] | None, ...]) -> bool:
        """Adds a task that was just read; returns False if this task must be read each time."""
        task_id = report.task_id
        if task_id in self._unfit:
            return False
        line = format_line(report, stamps)
        entry = get_entry(line)
        if not self._is_known(task_id, entry):
            self._set(task_id, entry)
            self._unwritten[task_id] = line
        self._checked.add(task_id)
        return True

    def remove(self, task_id: str) -> None:
        """Removes a task whose folder is gone, or which must be read again."""
        if self._entries.pop(task_id, None) is not None:
            self.changes += 1
        self._unwritten.pop(task_id, None)
        self._checked.discard(task_id)

    def is_checked(self, task_id: str) -> bool:
        """Returns whether this process has read the task's files, or compared them with the index."""
        return task_id in self._checked

    def set_checked(self, task_id: str) -> None:
        self._checked.add(task_id)

    def count(self, statuses: Collection[str] | None) -> int:
        """Returns the number of tasks with one of these statuses, None: with any."""
        if statuses is None:
            return len(self._entries)
        return sum(entry.status in statuses for entry in self._entries.values())

    def iter_newest(self, statuses: Collection[str] | None) -> Iterator[str]:
        """Yields the ids of the tasks with one of these statuses (None: any), the last submitted first."""
        if self._ordered_at != self.changes:
            pairs = sorted(((entry.seq, task_id) for task_id, entry in self._entries.items()), reverse=True)
            self._order, self._ordered_at = [task_id for _, task_id in pairs], self.changes
        for task_id in self._order:
            if statuses is None or self._entries[task_id].status in statuses:
                yield task_id

    def find_by_key(self, key: str) -> list[str]:
        """Returns the ids of the tasks that may have this idempotency key."""
        hashed = hash_key(key)
        return [task_id for task_id, entry in self._entries.items() if entry.key_hash == hashed]

    def load(self, task_ids: Iterable[str]) -> dict[str, EndedReport]:
        """Reads the reports of tasks. Lacks those whose lines can't be read; sets `is_outdated` if that is why."""
        found: dict[str, EndedReport] = {}
        written: list[str] = []
        for task_id in task_ids:
            if task_id in self._unwritten:
                self._parse_into(found, task_id, self._unwritten[task_id])
            else:
                written.append(task_id)
        lines = self._index.read_lines([self._entries[task_id] for task_id in written]) if written else []
        self.is_outdated = self.is_outdated or len(lines) < len(written)
        for task_id, line in zip(written, lines):
            self._parse_into(found, task_id, line)
        return found

    def write(self) -> None:
        """Writes the lines of new tasks, unless another process is writing: then a later call writes them.

        After an error it tries again after 30 s, since the index is only a cache.
        """
        is_due = self._unwritten or self._is_wasteful
        if not is_due or not self._index.is_writable or time.monotonic() < self._retry_at:
            return
        try:
            with self._index.try_writing() as may_write:
                if may_write:
                    self._write()
        except OSError:
            self._retry_at = time.monotonic() + _RETRY_S

    def _write(self) -> None:
        self.is_outdated = self._index.was_replaced()
        if self.is_outdated:
            return
        self._take_over_known()
        if self._is_wasteful:
            written = [entry for task_id, entry in self._entries.items() if task_id not in self._unwritten]
            unfit = [format_removal(one) for one in self._unfit if self._layout.task(one).path.exists()]
            self._index.rewrite(written, [*unfit, *self._unwritten.values()])
            self.is_outdated = True
        elif self._unwritten and self._index.is_writable:
            self._index.append(self._unwritten.values())
            self._take_over_known()

    def _take_over_known(self) -> None:
        """Reads new lines, but adds no task: its folder may be gone already."""
        for task_id, entry in self._index.read_new().entries:
            if entry.status == REMOVED or task_id in self._entries:
                self._take_over(task_id, entry)

    def _take_over(self, task_id: str, entry: EndedEntry) -> None:
        if entry.status == REMOVED:
            self._unfit.add(task_id)
            self.remove(task_id)
        elif task_id not in self._unfit:
            self._set(task_id, entry)
            self._unwritten.pop(task_id, None)

    def _set(self, task_id: str, entry: EndedEntry) -> None:
        if not self._is_known(task_id, entry):
            self.changes += 1
            self._checked.discard(task_id)
        self._entries[task_id] = entry

    def _is_known(self, task_id: str, entry: EndedEntry) -> bool:
        """Returns whether this is the report that is known, also if it is in another line."""
        known = self._entries.get(task_id)
        return known is not None and known[:3] == entry[:3]

    def _forget_all(self) -> None:
        """Forgets everything that the old index said, and what was known of ids that stand for other tasks by now."""
        self.changes += 1
        for known in (self._entries, self._unwritten, self._unfit):
            known.clear()

    def _parse_into(self, found: dict[str, EndedReport], task_id: str, line: bytes) -> None:
        try:
            found[task_id] = parse_line(line)
        except ValueError:
            if task_id in self._unwritten:  # what is in the task's files can't be indexed
                self._unfit.add(task_id)
