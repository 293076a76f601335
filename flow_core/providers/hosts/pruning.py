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
from flow_core.providers.hosts.host_tasks import HostTasks, choose_error
from flow_core.providers.over_agent.pruning_conversion import explain_refusal, explain_refusals, to_prunable_tasks

_DAY_S = 24 * 3600.0
_POLL_S, _ANSWER_S = 600.0, 60.0
_SHOWN_MAX = 10
_Answer = TypeVar("_Answer")


class HostPruning:
    """The pruning of a context. The rule applies to the tasks of all machines together.

    A machine that is down keeps its tasks.
    """

    def __init__(self, context: str, tasks: HostTasks, after_days: float | None) -> None:
        self._context = context
        self._tasks = tasks
        self._after_days = after_days
        self._next_poll_at = 0.0

    async def plan(
        self, older_than_days: float | None, keep_last: int | None, task_ids: Collection[str] = ()
    ) -> PruningPlan:
        among = _select_by_rule(await self._tasks.list_all(), older_than_days, keep_last)
        for task_id in task_ids:
            await self._tasks.get(task_id)  # raises NotFound
            if reason := self._explain_unavailable(task_id):
                raise Unreachable(f"task {task_id} can't be pruned now: {reason}")
        plan, refusals = await self._merge_plans(among, frozenset(task_ids))
        for refusal in refusals:
            if refusal.task_id in task_ids:
                raise Conflict(f"task {refusal.task_id} can't be pruned: {explain_refusal(refusal)}")
        return plan

    async def prune(self, plan: PruningPlan) -> PruningResult:
        await self._tasks.list_all()  # a new client doesn't know the machines of the tasks yet
        tasks = {task.task_id: task for task in plan.tasks if is_task_id(task.task_id)}
        unavailable = {task_id: why for task_id in tasks if (why := self._explain_unavailable(task_id))}
        ids_by_host = self._group_by_host(tasks.keys() - unavailable.keys())
        by_host = {host: [tasks[task_id] for task_id in ids] for host, ids in ids_by_host.items()}
        answers = await _call_each(by_host, lambda host: _request_pruning(host, by_host[host]))
        removed: list[EndedTask] = []
        refused = dict(unavailable)
        for host, answer in answers.items():
            if isinstance(answer, FlowError):
                refused |= {task.task_id: str(answer) for task in by_host[host]}
            else:
                removed += answer[0]
                host.forget(task.task_id for task in answer[0])
                refused |= explain_refusals(answer[1])
        pruned = tuple(task for task in to_prunable_tasks(_merge_parts(removed)) if task.task_id not in refused)
        return PruningResult(self._context, pruned, refused)

    async def plan_due(self) -> PruningPlan | None:
        if self._after_days is None or time.monotonic() < self._next_poll_at:
            return None
        self._next_poll_at = time.monotonic() + _POLL_S
        among = _select_by_rule(await self._tasks.list_all(), self._after_days, None)
        if not any(await asyncio.gather(*(_claim_turn(host) for host in self._tasks.hosts))):
            return None
        plan, _ = await self._merge_plans(among, frozenset())
        return plan

    def describe(self, plan: PruningPlan) -> str:
        names = [task.task_id for task in plan.tasks]
        shown = ",".join(names[:_SHOWN_MAX])
        more = f"  (and {len(names) - _SHOWN_MAX} more)" if len(names) > _SHOWN_MAX else ""
        hosts = ", ".join(host.agent.name for host in self._tasks.hosts if any(name in host.reports for name in names))
        return f"on {hosts or 'no machine'}: rm -r .../tasks/{f'{{{shown}}}' if len(names) > 1 else shown}{more}"

    async def _merge_plans(
        self, among: Collection[str], named_ids: frozenset[str]
    ) -> tuple[PruningPlan, list[PruningRefusal]]:
        """Merges the plans of all machines. A task on several machines is pruned on all of them, or not at all."""
        by_host = self._group_by_host(
            task_id for task_id in {*among, *named_ids} if not self._explain_unavailable(task_id)
        )
        answers = await _call_each(by_host, lambda host: _request_plan(host, by_host[host], named_ids))
        silent = {host: answer for host, answer in answers.items() if isinstance(answer, FlowError)}
        if silent and (len(silent) == len(by_host) or any(not named_ids.isdisjoint(by_host[host]) for host in silent)):
            raise choose_error(list(silent.values()))
        plans = [answer for answer in answers.values() if not isinstance(answer, FlowError)]
        refusals = [refusal for _, _, refused in plans for refusal in refused if refusal.code != selection.GONE]
        refused = explain_refusals(refusals)
        kept = _merge_parts(task for _, kept, _ in plans for task in kept)
        kept_ids = {task.task_id for task in kept}
        unknown = {task_id for host in silent for task_id in by_host[host]}
        kept_tasks = tuple(task for task in to_prunable_tasks(kept) if task.task_id not in {*refused, *unknown})
        tasks = to_prunable_tasks(_merge_parts(task for tasks, _, _ in plans for task in tasks))
        prunable_tasks = tuple(task for task in tasks if task.task_id not in {*refused, *unknown, *kept_ids})
        return PruningPlan(self._context, _sort_by_end(prunable_tasks), _sort_by_end(kept_tasks), refused), refusals

    def _group_by_host(self, task_ids: Iterable[str]) -> dict[HostState, list[str]]:
        """Returns the tasks of which each machine has a part. A machine with two names counts once."""
        groups: dict[HostState, list[str]] = {}
        for task_id in task_ids:
            for host in self._tasks.find_hosts(task_id):
                groups.setdefault(host, []).append(task_id)
        return groups

    def _explain_unavailable(self, task_id: str) -> str:
        """Returns why a task can't be pruned now because of its machines; "" if all of them respond."""
        hosts = self._tasks.find_hosts(task_id)
        have_all_answered = all(host.has_answered and not host.is_silent for host in self._tasks.hosts)
        if not hosts:
            return "it is gone already" if have_all_answered else "it is on no machine that answers"
        if len(hosts) < hosts[0].reports[task_id].parts and not have_all_answered:
            return "not every machine of it has answered"
        silent = [host.agent.name for host in hosts if host.is_silent]
        return f"{', '.join(silent)} {'does' if len(silent) == 1 else 'do'} not answer" if silent else ""


async def _call_each(
    hosts: Iterable[HostState], call: Callable[[HostState], Coroutine[None, None, _Answer]]
) -> dict[HostState, _Answer | FlowError]:
    """Calls `call` for each host. Returns the answer or the FlowError of each."""

    async def call_one(host: HostState) -> _Answer | FlowError:
        try:
            return await call(host)
        except FlowError as error:
            return error

    called = list(hosts)
    return dict(zip(called, await asyncio.gather(*map(call_one, called)), strict=True))


def _select_by_rule(records: Iterable[TaskRecord], older_than_days: float | None, keep_last: int | None) -> list[str]:
    """Returns the ids of the ended tasks that the rule selects; none without a rule."""
    if older_than_days is None and keep_last is None:
        return []
    ended = [(record.completed_at, record.task_id) for record in records if record.is_terminal]
    by_end = sorted(((at.timestamp(), task_id) for at, task_id in ended if at is not None), reverse=True)
    before = None if older_than_days is None else time.time() - older_than_days * _DAY_S
    return [task_id for at, task_id in by_end[keep_last or 0 :] if before is None or at < before]


async def _request_plan(
    host: HostState, task_ids: Iterable[str], named_ids: Collection[str]
) -> tuple[list[EndedTask], list[EndedTask], list[PruningRefusal]]:
    arguments: dict[str, list[str]] = {"among": [], "named": []}
    for task_id in task_ids:
        arguments["named" if task_id in named_ids else "among"].append(task_id)
    answer = await host.agent.call("plan_pruning", _ANSWER_S, **arguments)
    return (_parse_tasks(host, answer, "tasks"), _parse_tasks(host, answer, "kept"), _parse_refusals(host, answer))


async def _request_pruning(
    host: HostState, tasks: Sequence[PrunableTask]
) -> tuple[list[EndedTask], list[PruningRefusal]]:
    """Prunes tasks on one host. Raises Unreachable if the result is unknown."""
    arguments = {
        "task_ids": [task.task_id for task in tasks],
        "made_files": [task.task_id for task in tasks if task.made_files],
    }
    answer = await host.agent.call("prune", _ANSWER_S, **arguments)
    return _parse_tasks(host, answer, "removed"), _parse_refusals(host, answer)


async def _claim_turn(host: HostState) -> bool:
    """Claims today's pruning of the host.

    Returns False if another client has claimed it or submits now, or if the host doesn't respond.
    """
    try:
        return not host.is_silent and await host.agent.call("take_pruning_turn") is True
    except FlowError:
        return False


def _merge_parts(tasks: Iterable[EndedTask]) -> list[EndedTask]:
    """Merges the entries of a task that runs on several machines."""
    merged: dict[str, EndedTask] = {}
    for task in tasks:
        other = merged.get(task.task_id)
        merged[task.task_id] = task if other is None else _add(task, other)
    return list(merged.values())


def _add(first: EndedTask, second: EndedTask) -> EndedTask:
    return first._replace(
        size_bytes=first.size_bytes + second.size_bytes,
        made_files=(*first.made_files, *second.made_files),
        ended_at=max(first.ended_at, second.ended_at),
    )


def _sort_by_end(tasks: Iterable[PrunableTask]) -> tuple[PrunableTask, ...]:
    return tuple(sorted(tasks, key=lambda task: task.ended_at))


def _parse_tasks(host: HostState, answer: Mapping[str, Any], name: str) -> list[EndedTask]:
    try:
        return [EndedTask.parse(row) for row in Fields(answer).tables(name)]
    except ValueError as error:
        raise _unreadable_error(host, error) from error


def _parse_refusals(host: HostState, answer: Mapping[str, Any]) -> list[PruningRefusal]:
    try:
        return [PruningRefusal.parse(row) for row in Fields(answer).tables("refused")]
    except ValueError as error:
        raise _unreadable_error(host, error) from error


def _unreadable_error(host: HostState, error: ValueError) -> ProviderError:
    return ProviderError(f"the answer of {host.agent.name!r} about ended tasks can't be read: {error}")
