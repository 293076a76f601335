"""Terminals inside running tasks, over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.ssh.quoting import build_sh_command

if TYPE_CHECKING:
    from pathlib import Path

    from flow_core.providers.contract.access import Shell
    from flow_core.providers.over_ssh.task_nodes import TaskLocator


class SshShells:
    """Shells where tasks run, each over a separate connection."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        task_node = await self._locator.locate(task_id, node)
        shell = await task_node.host.open_shell(
            columns=columns, rows=rows, command=build_sh_command(task_node.enter(command))
        )
        name = task_node.name or task_id
        shell.title = f"shell in node {node} of {name}" if node else f"shell in {name}"
        return shell

    async def directory(self, task_id: str) -> Path | None:
        await self._locator.is_over(task_id)  # raises NotFound for an unknown task
        return None
