"""The tasks of all machines. One that is down neither fails the list nor holds it up."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from flow_core.errors import AuthError, FlowError, NotFound, Unreachable, printable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.hosts.far import FarHost
from flow_core.providers.hosts.told import is_task_id
from flow_core.providers.hosts.view import PATIENCE_S, HostView


class TaskShelf:
    """A view of each machine, and what they say together."""

    def __init__(self, context: str, views: Collection[HostView]) -> None:
        self._context = context
        self.views = tuple(views)

    async def all(self) -> list[TaskRecord]:
        """Last submitted first. Raises Unreachable, or why nobody is let in, when no machine answers."""
        await self._look()
        self._raise_if_alone()
        records = [record for view in self.views for record in view.records()]
        return sorted(records, key=_order, reverse=True)

    async def get(self, task_id: str) -> TaskRecord:
        """Raises NotFound, Unreachable."""
        view = await self.find(task_id)
        return view.record(task_id)

    async def find(self, task_id: str) -> HostView:
        """Whose task it is, as it is now."""
        if not is_task_id(task_id):
            raise self._not_found(task_id)
        view = self.where(task_id)
        if view is not None:
            if view.told[task_id].is_final or await view.look_at(task_id):
                return view
            raise self._not_found(task_id)
        return await self._search(task_id)

    def where(self, task_id: str) -> HostView | None:
        """The machine that has told of a task before."""
        return next((view for view in self.views if task_id in view.told), None)

    def view_of(self, far: FarHost) -> HostView:
        return next(view for view in self.views if view.far is far)

    async def close(self) -> None:
        for view in self.views:
            await view.close()

    async def _search(self, task_id: str) -> HostView:
        answers = await asyncio.gather(*(_has(view, task_id) for view in self.views))
        for view, answer in zip(self.views, answers, strict=True):
            if answer is True:
                return view
        silent = [view.far.name for view, answer in zip(self.views, answers, strict=True) if answer is not False]
        errors = [answer for answer in answers if isinstance(answer, FlowError)]
        if len(errors) == len(self.views):
            raise strongest(errors)
        if silent:
            raise Unreachable(f"task {task_id} is on no machine that answers; {', '.join(silent)} doesn't")
        raise self._not_found(task_id)

    async def _look(self) -> None:
        """Returns when each has answered or was waited for long enough, and one has or none does."""
        asking = {view: question for view in self.views if (question := view.look()) is not None}
        worth_it = [question for view, question in asking.items() if not view.is_silent]
        if worth_it:
            await asyncio.wait(worth_it, timeout=PATIENCE_S)
        pending = {question for question in asking.values() if not question.done()}
        while pending and all(view.error is not None or not view.has_answered for view in self.views):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    def _raise_if_alone(self) -> None:
        errors = [view.error for view in self.views if view.error is not None]
        if len(errors) == len(self.views):
            raise strongest(errors)

    def _not_found(self, task_id: str) -> NotFound:
        return NotFound(f"no task {printable(repr(task_id[:70]))} in context {self._context!r}")


def wanted(
    records: list[TaskRecord], statuses: Collection[TaskStatus] | None, limit: int | None
) -> tuple[TaskRecord, ...]:
    found = tuple(record for record in records if statuses is None or record.status in statuses)
    return found if limit is None else found[:limit]


async def _has(view: HostView, task_id: str) -> bool | FlowError:
    try:
        return await view.look_at(task_id)
    except FlowError as error:
        return error


def strongest(errors: Sequence[FlowError]) -> FlowError:
    """A machine that wants something of the user before one that is only silent."""
    if len(errors) == 1:
        return errors[0]
    for error in errors:
        if isinstance(error, AuthError):
            return error
    return Unreachable(f"none of the {len(errors)} machines answers; the first: {errors[0]}")


def _order(record: TaskRecord) -> tuple[float, str]:
    return (record.created_at.timestamp() if record.created_at else 0.0, record.task_id)
