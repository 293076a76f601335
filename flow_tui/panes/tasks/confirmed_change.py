"""Carries out a change to a task once the user has confirmed it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flow_core.models.task import TaskRecord
from flow_tui.dialogs.confirm import Confirm
from flow_tui.services import Services


async def confirm_and_do(
    services: Services, task: TaskRecord, question: Confirm, change: Callable[[], Awaitable[object]]
) -> None:
    """Asks the question. If the user agrees, makes the change and polls the task's context. Raises FlowError."""
    if await services.ask(question):
        with services.prompts.foreground(task.context):
            await change()
        services.fleet.refresh(task.context)
