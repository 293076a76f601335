"""Single commands inside running tasks, over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.models.completed_command import CompletedCommand
from flow_core.providers.contract.access import OnOutput

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import TaskLocator


class SshTaskCommands:
    """Commands that run as the task does: in its directory, with its environment."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator

    async def run(
        self,
        task_id: str,
        command: str,
        *,
        node: int = 0,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        task_node = await self._locator.locate(task_id, node)
        line = task_node.enter(command)
        result = await task_node.host.run(line, timeout_s=timeout_s, stdin=stdin, on_output=on_output)
        return CompletedCommand(result.exit_code, result.stdout, result.stderr, result.is_cut)
