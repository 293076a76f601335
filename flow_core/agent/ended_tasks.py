"""The ended tasks of one context, known by their lines in the index, without a look at their folders."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Set

from flow_core.agent.ended_index import EndedIndex
from flow_core.agent.ended_lines import (
    EndedReport,
    format_line,
    format_removal,
    format_report,
    get_fingerprint,
    get_key_hash,
    get_status,
    get_task_id,
    hash_key,
    parse_report,
)
from flow_core.agent.layout import Layout
from flow_core.agent.task_report import TaskReport

_RETRY_S = 30.0


class EndedTasks:
    """The ended tasks of one context. Holds about 300 bytes for each, and reads their reports when asked.

    `changes` counts the changes. If `is_outdated` is true, the index was replaced: call `synchronize`. One thread may
    use it at a time.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folder = str(layout.tasks)
        self._index = EndedIndex(layout)
        self._lines: dict[str, str] = {}
        self._unwritten: dict[str, bytes] = {}
        self._unfit: set[str] = set()
        self._unwritten_removals: set[str] = set()
        self._checked: set[str] = set()
        self._newest: list[str] = []
        self._sorted_at = self.changes = 0
        self.is_outdated = self._is_wasteful = False
        self._retry_at = 0.0

    @property
    def unwritten_count(self) -> int:
        """The number of tasks that `write` has yet to write."""
        return len(self._unwritten)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._lines

    def find_unknown(self, names: Set[str]) -> Set[str]:
        """Returns the names that are no ended task."""
        return names - self._lines.keys()

    def get_fingerprints(self) -> dict[str, str]:
        """Returns the checksum of each task's report."""
        return {task_id: get_fingerprint(line) for task_id, line in self._lines.items()}

    def get_fingerprint(self, task_id: str) -> str:
        return get_fingerprint(self._lines[task_id])

    def synchronize(self, names: Set[str]) -> None:
        """Takes over what other processes have written, and drops every task that isn't in `names`."""
        self.is_outdated = False
        is_other, lines, removed = self._index.read_new()
        if is_other:
            self._forget_all()
        self._exclude(removed)
        if self._lines or self._unfit:
            self._take_over(lines)
        else:
            self._lines, self.changes = lines, self.changes + 1
        for task_id in self._lines.keys() - names:
            self.remove(task_id)
        self._is_wasteful = self._index.is_wasteful(len(self._lines) + len(self._unfit))

    def add(self, report: TaskReport, stamps: tuple[tuple[int, int] | None, ...]) -> bool:
        """Adds a task that was just read; returns False if this task must be read each time."""
        task_id = report.task_id
        if task_id in self._unfit:
            return False
        content = format_report(report._replace(folder=""), stamps)  # a user may move the state directory
        line = format_line(report, content)
        known = self._lines.get(task_id)
        if known is None or get_fingerprint(known) != get_fingerprint(line):
            self._set(task_id, line)
            self._unwritten[task_id] = content
        self._checked.add(task_id)
        return True

    def exclude(self, task_id: str) -> None:
        """Removes a task that has not ended, although the index says so, and lets no process index it any more."""
        self._unwritten_removals.add(task_id)
        self._exclude([task_id])

    def remove(self, task_id: str) -> None:
        """Removes a task whose folder is gone, or which must be read again."""
        if self._lines.pop(task_id, None) is not None:
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
            return len(self._lines)
        return sum(get_status(line) in statuses for line in self._lines.values())

    def iter_newest(self, statuses: Collection[str] | None) -> Iterator[str]:
        """Yields the ids of the tasks with one of these statuses (None: any), the last submitted first."""
        if self._sorted_at != self.changes:
            self._newest, self._sorted_at = sorted(self._lines.values(), reverse=True), self.changes
        for line in self._newest:
            if statuses is None or get_status(line) in statuses:
                yield get_task_id(line)

    def find_by_key(self, key: str) -> list[str]:
        """Returns the ids of the tasks that may have this idempotency key."""
        hashed = hash_key(key)
        return [task_id for task_id, line in self._lines.items() if get_key_hash(line) == hashed]

    def load(self, task_ids: Iterable[str]) -> dict[str, EndedReport]:
        """Reads the reports of tasks. Lacks those that can't be read; sets `is_outdated` if that is why."""
        found: dict[str, EndedReport] = {}
        written: list[str] = []
        for task_id in task_ids:
            if task_id in self._unwritten:
                self._parse_into(found, task_id, self._unwritten[task_id])
            else:
                written.append(task_id)
        contents = self._index.read_reports([self._lines[task_id] for task_id in written]) if written else []
        self.is_outdated = self.is_outdated or len(contents) < len(written)
        for task_id, content in zip(written, contents):
            self._parse_into(found, task_id, content)
        return found

    def write(self) -> None:
        """Writes the lines of new tasks, unless another process is writing: then a later call writes them.

        After an error it tries again after 30 s, since the index is only a cache.
        """
        is_due = self._unwritten or self._unwritten_removals or self._is_wasteful
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
        if not self._index.is_writable:
            return
        new = [(self._lines[task_id], content) for task_id, content in self._unwritten.items()]
        if self._is_wasteful:
            unfit = (one for one in self._unfit if self._layout.task(one).path.exists())
            kept = [line for task_id, line in self._lines.items() if task_id not in self._unwritten]
            self._index.rewrite(kept, [*_format_removals(unfit), *new])
            self.is_outdated = True
        else:
            self._index.append([*_format_removals(self._unwritten_removals), *new])
            self._take_over_known()
        self._unwritten_removals.clear()

    def _take_over_known(self) -> None:
        """Takes over new lines, but adds no task: its folder may be gone already."""
        is_other, lines, removed = self._index.read_new()
        self.is_outdated = self.is_outdated or is_other
        self._exclude(removed)
        self._take_over({task_id: line for task_id, line in lines.items() if task_id in self._lines})

    def _take_over(self, lines: dict[str, str]) -> None:
        for task_id, line in lines.items():
            if task_id not in self._unfit:
                self._set(task_id, line)
                self._unwritten.pop(task_id, None)

    def _set(self, task_id: str, line: str) -> None:
        known = self._lines.get(task_id)
        self._lines[task_id] = line
        if known is None or get_fingerprint(known) != get_fingerprint(line):
            self.changes += 1
            self._checked.discard(task_id)

    def _exclude(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            self._unfit.add(task_id)
            self.remove(task_id)

    def _forget_all(self) -> None:
        """Forgets everything that the old index said, and what was known of ids that stand for other tasks by now."""
        self.changes += 1
        for known in (self._lines, self._unwritten, self._unfit, self._checked):
            known.clear()
        self._unfit |= self._unwritten_removals

    def _parse_into(self, found: dict[str, EndedReport], task_id: str, content: bytes) -> None:
        try:
            stamps, report = parse_report(self._lines[task_id], content)
        except ValueError:
            if task_id in self._unwritten:  # no reader could parse this report
                self._unfit.add(task_id)
        else:
            found[task_id] = EndedReport(stamps, report._replace(folder=f"{self._folder}/{task_id}"))


def _format_removals(task_ids: Iterable[str]) -> list[tuple[str, bytes]]:
    return [(format_removal(task_id), b"") for task_id in task_ids]
