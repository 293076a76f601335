"""SSH into tasks by the system's own ssh: where, and by which command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, HostKeyChanged, HostKeyUnknown, Unreachable
from flow_core.providers.contract.access import SshEndpoint
from flow_core.ssh.quoting import sh_command

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import TaskLocator

_ANSWER_S = 10.0


class SshEndpoints:
    """A task's endpoint is its machine's; the command says how to get from there into the task."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator

    async def resolve(self, task_id: str, node: int | None = None) -> SshEndpoint:
        """Without a node: node 0. Where jump hosts lie on the way, only `command` says so."""
        settings = (await self._locator.locate(task_id, node or 0)).host.settings
        key = next((path for path in settings.identity_files if path.exists()), None)
        return SshEndpoint(settings.hostname, settings.port, settings.user, key)

    async def is_ready(self, task_id: str) -> bool:
        """Whether a command could be run there. Raises HostKeyUnknown and HostKeyChanged: waiting wouldn't help."""
        task_node = await self._locator.locate(task_id, 0)
        try:
            return (await task_node.host.run(":", timeout_s=_ANSWER_S)).exit_code == 0
        except (HostKeyUnknown, HostKeyChanged):
            raise
        except (AuthError, Unreachable):
            return False  # a machine that starts may answer before it knows its users

    async def command(self, task_id: str) -> str:
        from flow_core.ssh.command_line import ssh_words  # deferred: it starts processes, which most uses never need

        task_node = await self._locator.locate(task_id, 0)
        program, *way = await ssh_words(task_node.host.settings)
        return shlex.join([program, "-t", *way, sh_command(task_node.enter(None))])
