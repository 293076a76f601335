"""All contexts together: polls each context in its own task and keeps its last good answer with its age.

A context that fails keeps its last answer and gains an error; the other contexts are not affected. If part of an answer
could not be read, the missing rows are kept from the last good answer, with their age.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from flow_core.audit import Gate
from flow_core.client.context_client import ContextClient
from flow_core.config import Context
from flow_core.errors import FlowError, NotFound
from flow_core.fleet_state import TASKS, ContextState, FacetRow, find_changes, merge_answer
from flow_core.models.task import TaskRecord
from flow_core.pausable_timeout import PausableTimeout, deadline
from flow_core.providers import takes_batch_scripts

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow
    from flow_core.models.instance import AvailableInstance
    from flow_core.models.volume import Volume
    from flow_core.prompter import Prompter
    from flow_core.providers.contract.provider import Provider

_DEADLINE_S = 30.0
_BACKOFF_MAX_S = 60.0
_FIRST_TASKS = 100
"""More than a screen shows, so that the first tasks are there early."""
_TASKS = 500
_MORE_TASKS = 1000
_STEP_S = 0.1
"""The time to show the tasks that are there, before the next ones are read."""
_CLOSE_S = 5.0
_DOUBLINGS_MAX = 10  # longer than the longest pause; the power of two would overflow one day
Listener = Callable[[frozenset[str]], None]
"""Gets the facets whose rows have changed, and `CONTEXTS` if the state of a context has."""


class Fleet:
    """Clients of several contexts, polled. Listeners are called on the loop with the facets that have changed.

    `person` answers the prompts of all of them. `watched` holds the facets that are polled; tasks always are.
    `watches_everyone` is whether the tasks of other users are listed, where a context can do that. Use it as an async
    context manager: the pollers run inside.
    """

    def __init__(self, contexts: Iterable[Context], gate: Gate, person: Prompter | None = None) -> None:
        self.gate = gate
        self.watched: frozenset[str] = frozenset({TASKS})
        self.watches_everyone = False
        self._task_count: int | None = _TASKS
        """How many tasks to list of each context; None for all."""
        self._merged: tuple[TaskRecord, ...] | None = None
        chosen = tuple(contexts)
        self._patience = {
            context.name: PausableTimeout(person, context.name) for context in chosen if person is not None
        }
        self._connections = {
            context.name: ContextClient(context, gate=gate, person=self._patience.get(context.name))
            for context in chosen
        }
        self._flows: dict[str, AsyncFlow] = {}
        self._states = {name: ContextState(client.context) for name, client in self._connections.items()}
        self._wake = {name: asyncio.Event() for name in self._connections}
        self._listeners: list[Listener] = []
        self._pollers: dict[str, asyncio.Task[None]] = {}
        self._pruners: dict[str, asyncio.Task[None]] = {}
        self._is_open = False

    async def __aenter__(self) -> Fleet:
        self._is_open = True
        for name in self._connections:
            self._start_poller(name)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        running = (*self._pollers.values(), *self._pruners.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        with suppress(TimeoutError, FlowError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(
                    *(client.close() for client in (*self._flows.values(), *self._connections.values()))
                )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._connections)

    @property
    def states(self) -> tuple[ContextState, ...]:
        return tuple(self._states.values())

    @property
    def tasks(self) -> tuple[TaskRecord, ...]:
        """The listed tasks of every context, the last created first; within a context in the provider's order.

        The same object again while nothing has changed.
        """
        if self._merged is None:
            merged = [task for state in self.states for task in state.tasks]
            if len(self._connections) > 1 or any(state.kept for state in self.states):
                merged.sort(key=lambda task: task.created_at.timestamp() if task.created_at else 0.0, reverse=True)
            self._merged = tuple(merged)
        return self._merged

    @property
    def task_total(self) -> int:
        """The number of tasks of every context, also of those that are not listed."""
        return sum(state.task_total for state in self.states)

    @property
    def volumes(self) -> tuple[Volume, ...]:
        return tuple(volume for state in self.states for volume in state.volumes)

    @property
    def instances(self) -> tuple[AvailableInstance, ...]:
        """The offers of every context. A machine of the user that two contexts reach is listed in the first one."""
        first: dict[Hashable, AvailableInstance] = {}
        for state in self.states:
            for row in state.instances:
                first.setdefault(_capacity_key(row), row)
        return tuple(first.values())

    def flow(self, context: str) -> AsyncFlow:
        """Returns the client of a context. Raises NotFound."""
        if context not in self._connections:
            raise NotFound(f"no context is called {context!r}; there are: {', '.join(self.names)}")
        if context not in self._flows:
            from flow_core.client.flow import AsyncFlow  # lazy import: the first task list doesn't need it

            self._flows[context] = AsyncFlow.share(self._connections[context])
        return self._flows[context]

    def deadline(self, context: str, timeout_s: float) -> AbstractAsyncContextManager[object]:
        """Returns a deadline for a context's client. It pauses while the user answers a prompt of this context."""
        return deadline(self._patience.get(context), timeout_s)

    def has_market(self, context: str) -> bool:
        """Returns whether capacity has a price there, as far as is known."""
        state = self._states.get(context)
        return state is not None and state.has_market

    def has_scheduler(self, context: str) -> bool:
        """Returns whether tasks there wait in a queue that they share with other users, as far as is known."""
        state = self._states.get(context)
        return state is not None and state.has_scheduler

    def can_change_volumes(self, context: str) -> bool:
        """Returns whether volumes can be created there; True until the context has answered."""
        state = self._states.get(context)
        if state is None or state.answered_at is None:
            return state is not None
        volumes = self._connections[context].provider.volumes
        return volumes is not None and volumes.can_change

    def takes_batch_scripts(self, context: str) -> bool:
        """Returns whether a command there may be a script with `#SBATCH` lines."""
        state = self._states.get(context)
        return state is not None and takes_batch_scripts(state.context)

    @property
    def prunable(self) -> tuple[str, ...]:
        """The contexts that have answered and in which ended tasks can be pruned."""
        answered = [name for name, state in self._states.items() if state.answered_at is not None]
        return tuple(name for name in answered if self._connections[name].provider.pruning is not None)

    def row_age_s(self, row: FacetRow) -> float | None:
        """Returns the age of a task, volume or instance type, in seconds; None if the last answer has it."""
        state = self._states.get(row.context)
        return None if state is None else state.row_age_s(row)

    def task(self, key: tuple[str, str]) -> TaskRecord | None:
        """Returns the task of the last answer; None if it has none."""
        state = self._states.get(key[0])
        return next((task for task in state.tasks if task.task_id == key[1]), None) if state else None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` soon after each change until the returned function is called.

        An exception of the listener goes to the loop's exception handler; it affects neither the pollers nor other
        listeners.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def wait_for_first_answers(self, timeout_s: float) -> bool:
        """Returns whether every context has answered or failed within `timeout_s`."""
        changed = asyncio.Event()
        forget = self.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(timeout_s):
                while any(state.answered_at is None and not state.failures for state in self.states):
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return False
        finally:
            forget()
        return True

    def watch(self, facets: Iterable[str]) -> None:
        """Sets the facets to poll, such as "volumes", and polls new ones immediately. Tasks are always polled.

        A facet that a provider lacks has no rows. Raises ValueError for a facet that the fleet doesn't know.
        """
        watched = frozenset(facets) | {TASKS}
        if unknown := watched - _READERS.keys() - {TASKS}:
            raise ValueError(f"the fleet can't watch {', '.join(sorted(unknown))}")
        added, self.watched = watched - self.watched, watched
        if added:
            self.refresh()

    def list_tasks(self, count: int | None) -> None:
        """Lists at least the last `count` tasks of each context from now on (None: all), besides the unfinished ones.

        Polls now if that is more than before. Many tasks come in several steps; listeners are called after each.
        """
        if self._task_count is not None and (count is None or count > self._task_count):
            self._task_count = count
            self.refresh()

    def watch_everyone(self, on: bool) -> None:
        """Sets whether to list the tasks of other users too, and polls the contexts that can list them."""
        self.watches_everyone = on
        for name, state in self._states.items():
            if state.has_scheduler:
                self.refresh(name)

    def has_read(self, facet: str) -> bool:
        """Returns whether a context has answered for this facet, or has failed."""
        return any(facet in state.rows or state.error for state in self.states)

    def refresh(self, context: str | None = None) -> None:
        """Polls now instead of at the next interval."""
        for name, event in self._wake.items():
            if context in (None, name):
                event.set()

    def _start_poller(self, name: str, *, is_restart: bool = False) -> None:
        poller = asyncio.create_task(self._poll(name, is_restart), name=f"poll {name}")
        poller.add_done_callback(lambda ended: self._restart(name, ended))
        self._pollers[name] = poller

    def _restart(self, name: str, poller: asyncio.Task[None]) -> None:
        """Reports the exception of a poller and restarts it after a pause; only a bug ends a poller."""
        if poller.cancelled() or (fault := poller.exception()) is None:
            return
        loop = poller.get_loop()
        loop.call_exception_handler({"message": f"the poller of {name} failed", "exception": fault, "task": poller})
        state = self._states[name]
        error = f"flow-tui failed to process its answer ({type(fault).__name__}); it tries again soon"
        self._publish(name, replace(state, error=error, failures=state.failures + 1))
        if self._is_open:
            self._start_poller(name, is_restart=True)

    async def _poll(self, name: str, is_restart: bool) -> None:
        if is_restart:
            await self._sleep_until_due(name)
        while True:
            self._wake[name].clear()
            before = len(self._states[name].tasks)
            self._publish(name, await self._fetch_state(name))
            if self._lacks_tasks(name) and len(self._states[name].tasks) > before:
                await asyncio.sleep(_STEP_S)
                continue
            self._prune_when_due(name)
            await self._sleep_until_due(name)

    def _prune_when_due(self, name: str) -> None:
        """Starts pruning in its own task if it is due, so that polling continues."""
        state = self._states[name]
        if state.error is not None or name in self._pruners:
            return
        if self._connections[name].provider.prune_after_days is not None:
            pruner = asyncio.create_task(self._prune(name), name=f"prune {name}")
            pruner.add_done_callback(lambda _: self._pruners.pop(name))
            self._pruners[name] = pruner

    async def _prune(self, name: str) -> None:
        from flow_core.client.pruning import prune_when_due  # lazy import: the first task list doesn't need it

        if await prune_when_due(self._connections[name]):
            self.refresh(name)

    async def _sleep_until_due(self, name: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s(name)):
                await self._wake[name].wait()

    async def _fetch_state(self, name: str) -> ContextState:
        state = self._states[name]
        try:
            async with self.deadline(name, _DEADLINE_S):
                provider = self._connections[name].provider
                scheduling = provider.scheduling
                state = replace(state, has_market=provider.market is not None, has_scheduler=scheduling is not None)
                if scheduling is not None:
                    await scheduling.watch_everyone(self.watches_everyone)
                state = await self._fetch_tasks(provider, state)
                state = replace(state, answered_at=time.monotonic())
                for facet in _READERS:
                    if facet in self.watched:
                        state = await self._fetch_facet(facet, provider, state)
        except TimeoutError:
            return replace(state, error=f"no answer within {_DEADLINE_S:.0f} s", failures=state.failures + 1)
        except FlowError as error:
            return replace(state, error=str(error), failures=state.failures + 1)
        return replace(state, error=None, failures=0)

    def _lacks_tasks(self, name: str) -> bool:
        """Returns whether the next step of a long list of tasks is due."""
        state = self._states[name]
        wanted = state.task_total if self._task_count is None else min(self._task_count, state.task_total)
        return state.error is None and len(state.tasks) < wanted

    async def _fetch_tasks(self, provider: Provider, state: ContextState) -> ContextState:
        step = _FIRST_TASKS if state.answered_at is None else len(state.tasks) + _MORE_TASKS
        count = step if self._task_count is None else min(step, self._task_count)
        answer = await provider.list_recent_tasks(count)
        rows, state = merge_answer(state, TASKS, state.tasks, answer)
        return replace(state, rows={**state.rows, TASKS: rows})

    async def _fetch_facet(self, facet: str, provider: Provider, state: ContextState) -> ContextState:
        answer = await _READERS[facet](provider)
        rows, state = merge_answer(state, facet, state.rows.get(facet, ()), () if answer is None else answer)
        return replace(state, rows={**state.rows, facet: rows})

    def _publish(self, name: str, state: ContextState) -> None:
        before, self._states[name] = self._states[name], state
        if changed := find_changes(before, state):
            self._merged = None
            for listener in self._listeners:
                asyncio.get_running_loop().call_soon(self._call_listener, listener, changed)

    def _call_listener(self, listener: Listener, changed: frozenset[str]) -> None:
        if listener in self._listeners:  # it may have unsubscribed meanwhile
            listener(changed)

    def _pause_s(self, name: str) -> float:
        state = self._states[name]
        if state.failures:
            return min(_BACKOFF_MAX_S, 2.0 ** min(state.failures, _DOUBLINGS_MAX)) * random.uniform(0.5, 1.0)
        poll = self._connections[name].provider.poll
        is_busy = any(not task.is_terminal or task.is_still_billed for task in state.tasks)
        return poll.busy_s if is_busy else poll.idle_s


async def _volumes(provider: Provider) -> tuple[Volume, ...] | None:
    return None if provider.volumes is None else await provider.volumes.list()


async def _instances(provider: Provider) -> tuple[AvailableInstance, ...] | None:
    return None if provider.instances is None else await provider.instances.find({})


_READERS: Mapping[str, Callable[[Provider], Awaitable[tuple[FacetRow, ...] | None]]] = {
    "volumes": _volumes,
    "instances": _instances,
}
"""The functions that read the rows of each facet except the tasks; they return None if the provider lacks the facet."""


def _capacity_key(row: AvailableInstance) -> Hashable:
    """Returns a key that is equal for offers of the same GPUs of the user; bought capacity counts per context."""
    if row.price_per_hour:
        return row.key
    return row.allocation_id, row.instance_type, row.region, row.gpu_type, row.total_gpus
