"""The dialog that asks before a secret of this machine is sent to another machine with a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_tui.dialogs.confirm import Confirm

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_tui.services import Services


class DisclosureConfirmation:
    """The confirmation in contexts whose settings allow sending a secret."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def confirm(self, context: str, config: TaskConfig) -> None:
        """Shows what would be sent, and returns once the user agrees. Raises FlowError if the user refuses."""
        provider = self._services.fleet.flow(context).provider
        if not (sent := provider.describe_disclosure(config)):
            return
        question = Confirm(
            f"Submit {config.name}?",
            [f"Sends to {context}: {sent}."],
            call=provider.describe_submit(config),
            agree="Submit the task",
        )
        if not await self._services.ask(question):
            raise FlowError("Nothing was submitted.")
