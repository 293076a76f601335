"""Pruning of ended tasks on all machines of a context."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flow_core.agent.ids import is_task_id
from flow_core.agent.pruning import selection
from flow_core.agent.pruning.selection import EndedTask, PruningRefusal
from flow_core.agent.record_fields import Fields
from flow_core.errors import Conflict, FlowError, ProviderError, Unreachable
from flow_core.models.pruning import PrunableTask, PruningPlan, PruningResult
from flow_core.models.task import TaskRecord
from flow_core.providers.hosts.host_state import HostState
from flow_core.providers.hosts.host_tasks import HostTasks, most_actionable
from flow_core.providers.over_agent.pruned_tasks import prunable, sentence, sentences

_DAY_S = 24 * 3600.0
_POLL_S, _ANSWER_S = 600.0, 60.0
_SHOWN_MAX = 10
_Answer = TypeVar("_Answer")


class HostPruning:
    """The rule is applied to the tasks of all machines together; a machine that is down keeps what it has."""

    def __init__(self, context: str, tasks: HostTasks, after_days: float | None) -> None:
        self._context = context
        self._tasks = tasks
        self._after_days = after_days
        self._next_look = 0.0

    async def plan(
        self, older_than_days: float | None, keep_last: int | None, task_ids: Collection[str] = ()
    ) -> PruningPlan:
        among = _meeting(await self._tasks.all(), older_than_days, keep_last)
        for task_id in task_ids:
            await self._tasks.get(task_id)  # raises NotFound
            if absent := self._absent(task_id):
                raise Unreachable(f"task {task_id} can't be pruned now: {absent}")
        plan, refusals = await self._ask_for_plan(among, frozenset(task_ids))
        for refusal in refusals:
            if refusal.task_id in task_ids:
                raise Conflict(f"task {refusal.task_id} can't be pruned: {sentence(refusal)}")
        return plan

    async def prune(self, plan: PruningPlan) -> PruningResult:
        await self._tasks.all()  # a client that has just begun doesn't know yet where they are
        wanted = {task.task_id: task for task in plan.tasks if is_task_id(task.task_id)}
        absent = {task_id: why for task_id in wanted if (why := self._absent(task_id))}
        by_view = self._by_view(wanted.keys() - absent.keys())
        asked = {view: [wanted[task_id] for task_id in ids] for view, ids in by_view.items()}
        answers = await _each(asked, lambda view: _prune(view, asked[view]))
        removed: list[EndedTask] = []
        refused = dict(absent)
        for view, answer in answers.items():
            if isinstance(answer, FlowError):
                refused |= {task.task_id: str(answer) for task in asked[view]}
            else:
                removed += answer[0]
                view.forget(task.task_id for task in answer[0])
                refused |= sentences(answer[1])
        pruned = tuple(task for task in prunable(_folded(removed)) if task.task_id not in refused)
        return PruningResult(self._context, pruned, refused)

    async def plan_due(self) -> PruningPlan | None:
        if self._after_days is None or time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + _POLL_S
        among = _meeting(await self._tasks.all(), self._after_days, None)
        if not any(await asyncio.gather(*(_takes_turn(view) for view in self._tasks.views))):
            return None
        plan, _ = await self._ask_for_plan(among, frozenset())
        return plan

    def describe(self, plan: PruningPlan) -> str:
        names = [task.task_id for task in plan.tasks]
        shown = ",".join(names[:_SHOWN_MAX])
        more = f"  (and {len(names) - _SHOWN_MAX} more)" if len(names) > _SHOWN_MAX else ""
        hosts = ", ".join(view.agent.name for view in self._tasks.views if any(name in view.reports for name in names))
        return f"on {hosts or 'no machine'}: rm -r .../tasks/{f'{{{shown}}}' if len(names) > 1 else shown}{more}"

    async def _ask_for_plan(
        self, among: Collection[str], named: frozenset[str]
    ) -> tuple[PruningPlan, list[PruningRefusal]]:
        """A task on several machines goes as a whole, or stays."""
        asked = self._by_view(task_id for task_id in {*among, *named} if not self._absent(task_id))
        answers = await _each(asked, lambda view: _plan(view, asked[view], named))
        silent = {view: answer for view, answer in answers.items() if isinstance(answer, FlowError)}
        if silent and (len(silent) == len(asked) or any(not named.isdisjoint(asked[view]) for view in silent)):
            raise most_actionable(list(silent.values()))
        said = [answer for answer in answers.values() if not isinstance(answer, FlowError)]
        refusals = [refusal for _, _, refused in said for refusal in refused if refusal.code != selection.GONE]
        refused = sentences(refusals)
        kept = _folded(task for _, kept, _ in said for task in kept)
        held = {task.task_id for task in kept}
        unknown = {task_id for view in silent for task_id in asked[view]}
        stays = tuple(task for task in prunable(kept) if task.task_id not in {*refused, *unknown})
        tasks = prunable(_folded(task for tasks, _, _ in said for task in tasks))
        goes = tuple(task for task in tasks if task.task_id not in {*refused, *unknown, *held})
        return PruningPlan(self._context, _by_end(goes), _by_end(stays), refused), refusals

    def _by_view(self, task_ids: Iterable[str]) -> dict[HostState, list[str]]:
        """The tasks that each machine has a part of. One that is known by two names counts once."""
        found: dict[HostState, list[str]] = {}
        for task_id in task_ids:
            for view in self._tasks.where(task_id):
                found.setdefault(view, []).append(task_id)
        return found

    def _absent(self, task_id: str) -> str:
        """Why a task can't go now, for want of its machines; "" where all are there."""
        views = self._tasks.where(task_id)
        have_all_answered = all(view.has_answered and not view.is_silent for view in self._tasks.views)
        if not views:
            return "it is gone already" if have_all_answered else "it is on no machine that answers"
        if len(views) < views[0].reports[task_id].parts and not have_all_answered:
            return "not every machine of it has answered"
        silent = [view.agent.name for view in views if view.is_silent]
        return f"{', '.join(silent)} {'does' if len(silent) == 1 else 'do'} not answer" if silent else ""


async def _each(
    views: Iterable[HostState], ask: Callable[[HostState], Coroutine[None, None, _Answer]]
) -> dict[HostState, _Answer | FlowError]:
    """What each says, or why it doesn't."""

    async def answer_of(view: HostState) -> _Answer | FlowError:
        try:
            return await ask(view)
        except FlowError as error:
            return error

    asked = list(views)
    return dict(zip(asked, await asyncio.gather(*map(answer_of, asked)), strict=True))


def _meeting(records: Iterable[TaskRecord], older_than_days: float | None, keep_last: int | None) -> list[str]:
    """The ids of the ended tasks that meet the rule, without which none does."""
    if older_than_days is None and keep_last is None:
        return []
    ended = [(record.completed_at, record.task_id) for record in records if record.is_terminal]
    by_end = sorted(((at.timestamp(), task_id) for at, task_id in ended if at is not None), reverse=True)
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_S
    return [task_id for at, task_id in by_end[keep_last or 0 :] if before is None or at < before]


async def _plan(
    view: HostState, task_ids: Iterable[str], named: Collection[str]
) -> tuple[list[EndedTask], list[EndedTask], list[PruningRefusal]]:
    asked: dict[str, list[str]] = {"among": [], "named": []}
    for task_id in task_ids:
        asked["named" if task_id in named else "among"].append(task_id)
    answer = await view.agent.call("plan_pruning", _ANSWER_S, **asked)
    return _ended(view, answer, "tasks"), _ended(view, answer, "kept"), _refusals(view, answer)


async def _prune(view: HostState, tasks: Sequence[PrunableTask]) -> tuple[list[EndedTask], list[PruningRefusal]]:
    """Raises Unreachable where it can't be known what went."""
    arguments = {
        "task_ids": [task.task_id for task in tasks],
        "made_files": [task.task_id for task in tasks if task.made_files],
    }
    answer = await view.agent.call("prune", _ANSWER_S, **arguments)
    return _ended(view, answer, "removed"), _refusals(view, answer)


async def _takes_turn(view: HostState) -> bool:
    try:
        return not view.is_silent and await view.agent.call("take_pruning_turn") is True
    except FlowError:
        return False


def _folded(tasks: Iterable[EndedTask]) -> list[EndedTask]:
    """One for the parts of a task that lie on several machines."""
    found: dict[str, EndedTask] = {}
    for task in tasks:
        other = found.get(task.task_id)
        found[task.task_id] = task if other is None else _sum(task, other)
    return list(found.values())


def _sum(one: EndedTask, other: EndedTask) -> EndedTask:
    return one._replace(
        size_bytes=one.size_bytes + other.size_bytes,
        made_files=(*one.made_files, *other.made_files),
        ended_at=max(one.ended_at, other.ended_at),
    )


def _by_end(tasks: Iterable[PrunableTask]) -> tuple[PrunableTask, ...]:
    return tuple(sorted(tasks, key=lambda task: task.ended_at))


def _ended(view: HostState, answer: Mapping[str, Any], name: str) -> list[EndedTask]:
    try:
        return [EndedTask.parse(one) for one in Fields(answer).tables(name)]
    except ValueError as error:
        raise _nonsense(view, error) from error


def _refusals(view: HostState, answer: Mapping[str, Any]) -> list[PruningRefusal]:
    try:
        return [PruningRefusal.parse(one) for one in Fields(answer).tables("refused")]
    except ValueError as error:
        raise _nonsense(view, error) from error


def _nonsense(view: HostState, error: ValueError) -> ProviderError:
    return ProviderError(f"what {view.agent.name!r} says of ended tasks can't be read: {error}")
