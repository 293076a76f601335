"""The SSH address of a task, and the `ssh` command that enters it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flow_core.errors import AuthError, HostKeyChanged, HostKeyUnknown, Unreachable, Unsupported
from flow_core.providers.contract.access import SshEndpoint
from flow_core.ssh.host import SshHost
from flow_core.ssh.quoting import build_sh_command

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.task_nodes import Host, TaskLocator
    from flow_core.ssh.settings import HostSettings

_ANSWER_S = 10.0


class SshEndpoints:
    """Endpoints of tasks: the endpoint is the machine's, and the command enters the task from there."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator

    async def resolve(self, task_id: str, node: int | None = None) -> SshEndpoint:
        """Returns the endpoint of a node; without a node, of node 0. Only `command` contains the jump hosts."""
        settings = _get_settings((await self._locator.locate(task_id, node or 0)).host)
        key = next((path for path in settings.identity_files if path.exists()), None)
        return SshEndpoint(settings.hostname, settings.port, settings.user, key)

    async def is_ready(self, task_id: str) -> bool:
        """Returns whether a command could be run there.

        Raises HostKeyUnknown and HostKeyChanged: waiting wouldn't help.
        """
        task_node = await self._locator.locate(task_id, 0)
        try:
            return (await task_node.host.run(":", timeout_s=_ANSWER_S)).exit_code == 0
        except (HostKeyUnknown, HostKeyChanged):
            raise
        except (AuthError, Unreachable):
            return False  # a machine that boots may respond before it knows its users

    async def command(self, task_id: str) -> str:
        from flow_core.ssh.command_line import (
            build_ssh_words,  # lazy import: it starts processes, and only this needs it
        )

        task_node = await self._locator.locate(task_id, 0)
        program, *ssh_args = await build_ssh_words(_get_settings(task_node.host))
        return shlex.join([program, "-t", *ssh_args, build_sh_command(task_node.enter(None))])


def _get_settings(host: Host) -> HostSettings:
    """Returns the SSH settings of a host. Raises Unsupported for this machine."""
    if not isinstance(host, SshHost):
        raise Unsupported(f"{host.title} is used without SSH; open a shell there instead")
    return host.settings
