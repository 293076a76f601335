"""The SSH address of running tasks of one context, and the command that enters them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flow_core.agent.task_exec import find_enterable
from flow_core.agent.tasks import TaskStore
from flow_core.errors import Unreachable
from flow_core.providers.contract.access import SshEndpoint
from flow_core.providers.local.sshd.address import HOST, HOST_ALIAS, build_ssh_command, format_user_name
from flow_core.providers.local.sshd.server_files import SshFolder
from flow_core.providers.local.sshd.server_start import ensure_server
from flow_core.providers.over_agent.in_process_agent import call_agent

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_S = 3.0
_BANNER = b"SSH-2.0-"


class LocalEndpoints:
    """Endpoints of tasks. A request for an endpoint starts the server; listing tasks never does."""

    def __init__(self, root: Path, tasks: TaskStore) -> None:
        self._folder = SshFolder.of(root)
        self._tasks = tasks

    async def resolve(self, task_id: str, node: int | None = None) -> SshEndpoint:
        """Returns the endpoint of a node; without a node, of node 0.

        That is enough because all nodes of a task start and end together here.
        """
        return await call_agent(self._make_endpoint, task_id, node or 0)

    async def is_ready(self, task_id: str) -> bool:
        try:
            endpoint = await self.resolve(task_id)
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                try:
                    return (await reader.readline()).startswith(_BANNER)
                finally:
                    writer.close()
        except (Unreachable, TimeoutError, OSError, ValueError):
            return False

    async def command(self, task_id: str) -> str:
        endpoint = await self.resolve(task_id)
        return build_ssh_command(self._folder, endpoint.port, endpoint.user)

    def _make_endpoint(self, task_id: str, node: int) -> SshEndpoint:
        """Returns the endpoint; starts the SSH server if needed.

        Raises NotFound, or refuses if the node can't be entered.
        """
        find_enterable(self._tasks.get(task_id), node)
        port, folder = ensure_server(self._folder).port, self._folder
        user = format_user_name(task_id, node)
        return SshEndpoint(HOST, port, user, folder.client_key, folder.known_hosts, HOST_ALIAS)
