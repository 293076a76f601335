"""Searches the logs of many tasks of several contexts, and again what their tasks have written since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord
from flow_tui.panes.logs.search_results import CONTEXT_LINES, HITS_PER_LOG, SearchResults, TaskKey

if TYPE_CHECKING:
    from flow_core.fleet import Fleet

MOST_TASKS = 500
_CONTEXTS_AT_ONCE = 3
_PAUSE_S = 2.0
_PAUSES_PER_ROUND = 4
_FAILED_PAUSE_S = 30.0
_RESULT_S = 120.0


class TaskLogsSearch:
    """A search for one query. `list_tasks` returns the tasks to search now; `report` is called after each change.

    Every change of `found` happens inside `run`. Once `run` has ended, no process of the search is left.
    """

    def __init__(
        self,
        fleet: Fleet,
        found: SearchResults,
        list_tasks: Callable[[], Sequence[TaskRecord]],
        report: Callable[[], None],
    ) -> None:
        self.found = found
        self.is_searching = True
        """Whether not everything was searched yet."""
        self._fleet = fleet
        self._list_tasks = list_tasks
        self._report = report
        self._slots = asyncio.Semaphore(_CONTEXTS_AT_ONCE)
        self._retry_at: dict[str, float] = {}

    async def run(self) -> None:
        """Searches until it is cancelled, or has found too much: first everything, then what is new.

        Between two rounds, it waits for two seconds or four times as long as the last round took.
        """
        clock = asyncio.get_running_loop().time
        while not self.found.is_full:
            start = clock()
            await self._search_once()
            self.is_searching = False
            self._report()
            await asyncio.sleep(max(_PAUSE_S, _PAUSES_PER_ROUND * (clock() - start)))

    async def _search_once(self) -> None:
        tasks = {task.key: task.is_terminal for task in self._list_tasks()[:MOST_TASKS]}
        self.found.keep(tasks)
        contexts: dict[str, dict[TaskKey, bool]] = {}
        for key, has_ended in tasks.items():
            if not self.found.is_complete(key):
                contexts.setdefault(key[0], {})[key] = has_ended
        now = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for context, due in contexts.items():
                if self._retry_at.get(context, 0.0) <= now:
                    group.create_task(self._search_context(context, due))

    async def _search_context(self, context: str, tasks: Mapping[TaskKey, bool]) -> None:
        async with self._slots:
            try:
                await self._read_results(context, tasks)
            except FlowError as error:
                self._give_up(context, tasks, error.message)
            except TimeoutError:
                self._give_up(context, tasks, f"there was no result for {_RESULT_S:.0f} s")

    async def _read_results(self, context: str, tasks: Mapping[TaskKey, bool]) -> None:
        query, offsets = self.found.query, self.found.list_offsets(tasks)
        results = self._fleet.flow(context).search_logs(
            query.pattern,
            [task_id for _, task_id in tasks],
            regex=not query.literal,
            context=CONTEXT_LINES,
            limit=HITS_PER_LOG,
            since=offsets,
        )
        logs: set[LogId] = set()
        async with aclosing(results):
            while not self.found.is_full:
                async with self._fleet.deadline(context, _RESULT_S):
                    result = await anext(results, None)
                if result is None:
                    self.found.finish(tasks, logs)
                    break
                logs.add(result.log)
                self.found.add(result, offsets)
                self._report()

    def _give_up(self, context: str, tasks: Mapping[TaskKey, bool], problem: str) -> None:
        """Says why the tasks were not searched, and leaves the context alone for a while."""
        self._retry_at[context] = asyncio.get_running_loop().time() + _FAILED_PAUSE_S
        self.found.add_problem(tasks, problem)
        self._report()
