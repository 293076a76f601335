"""What a search in the logs of many tasks has found so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHits
from flow_core.logs.search.query import SearchQuery

HITS_PER_LOG = 100
MOST_HITS = 2000
MOST_LOGS = 5000
CONTEXT_LINES = 2

TaskKey = tuple[str, str]
"""(context, task id)."""


class SearchResults:
    """The results of one search, by log: at most 100 lines of each log, about 2,000 in all, of 5,000 logs."""

    def __init__(self, query: SearchQuery) -> None:
        self.query = query
        self._results: dict[LogId, LogHits] = {}
        self._complete: set[TaskKey] = set()
        self.line_count = 0
        """The number of lines that match."""

    @property
    def log_count(self) -> int:
        """The number of logs that were searched."""
        return sum(not result.not_searched for result in self._results.values())

    @property
    def is_full(self) -> bool:
        """Whether the search has to end, because it has found too much."""
        return self.line_count >= MOST_HITS or len(self._results) >= MOST_LOGS

    @property
    def has_more(self) -> bool:
        """Whether a log has lines that match and are not listed."""
        return any(result.is_cut for result in self._results.values())

    def __iter__(self) -> Iterator[LogHits]:
        """Yields the results by attempt and rank."""
        return iter(sorted(self._results.values(), key=lambda result: (result.log.attempt, result.log.rank)))

    def list_offsets(self, tasks: Collection[TaskKey]) -> dict[LogId, int]:
        """Returns from which offset on a later search has to read each log of these tasks."""
        return {log: _get_offset(result) for log, result in self._results.items() if _get_task(log) in tasks}

    def is_complete(self, task: TaskKey) -> bool:
        """Returns whether a later search finds nothing new in the logs of a task."""
        return task in self._complete

    def add(self, result: LogHits, offsets: Mapping[LogId, int]) -> None:
        """Adds the result for one log. `offsets` are those with which the search began."""
        log = result.log
        before, start = self._results.get(log), offsets.get(log, 0)
        if before is None:
            self._set(result)
        elif not _is_exhausted(before):
            self._set(_join(before, result, start))

    def add_problem(self, tasks: Iterable[TaskKey], problem: str) -> None:
        """Adds why the logs of tasks were not searched. Keeps what was found in them before."""
        for context, task_id in tasks:
            logs = [log for log in self._results if _get_task(log) == (context, task_id)]
            for log in logs or [LogId(context, task_id)]:
                before = self._results.get(log, LogHits(log))
                self._set(replace(before, not_searched=problem))

    def finish(self, tasks: Mapping[TaskKey, bool], logs: Collection[LogId]) -> None:
        """Forgets all logs of these tasks but `logs`, which a search has read.

        The value says whether a task had ended before. Then nothing new is found in it, unless a log was cut.
        """
        gone = [log for log in self._results if _get_task(log) in tasks and log not in logs]
        self._forget(gone)
        more = {_get_task(log) for log, result in self._results.items() if result.is_cut and not _is_exhausted(result)}
        self._complete |= {task for task, has_ended in tasks.items() if has_ended} - more

    def keep(self, tasks: Mapping[TaskKey, bool]) -> None:
        """Forgets the logs of all other tasks. The value says whether a task has ended."""
        self._complete = {task for task in self._complete if tasks.get(task)}
        self._forget([log for log in self._results if _get_task(log) not in tasks])

    @property
    def task_count(self) -> int:
        """The number of tasks with a log that was searched."""
        return len({_get_task(result.log) for result in self._results.values() if not result.not_searched})

    def _set(self, result: LogHits) -> None:
        self._forget([result.log])
        self._results[result.log] = result
        self.line_count += len(result.hits)

    def _forget(self, logs: Iterable[LogId]) -> None:
        for log in logs:
            if (result := self._results.pop(log, None)) is not None:
                self.line_count -= len(result.hits)


class LastSearch(NamedTuple):
    """The last search: its results, and the current line in them, as its log and offset (None: no line)."""

    found: SearchResults
    current: tuple[LogId, int] | None


def _get_task(log: LogId) -> TaskKey:
    return log.context, log.task_id


def _is_exhausted(result: LogHits) -> bool:
    return len(result.hits) >= HITS_PER_LOG


def _get_offset(result: LogHits) -> int:
    """Returns where the last lines begin, to which lines or context may have been added."""
    late = (hit.offset for hit in result.hits[-CONTEXT_LINES:] if len(hit.after) < CONTEXT_LINES)
    return min((result.searched, *late))


def _join(before: LogHits, result: LogHits, start: int) -> LogHits:
    """Joins the result of a search from `start` on to the one before. A log that has shrunk is searched again."""
    if result.not_searched:
        return replace(before, not_searched=result.not_searched)
    if result.searched < start:
        return LogHits(result.log)
    hits = (*(hit for hit in before.hits if hit.offset < start), *result.hits)
    return replace(result, hits=hits[:HITS_PER_LOG], is_cut=result.is_cut or len(hits) > HITS_PER_LOG)
