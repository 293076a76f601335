"""Shells in running tasks, on a terminal, with the task's folder, environment and mounts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.task_reader import StoredTask
from flow_core.agent.tasks import TaskStore
from flow_core.providers.contract.access import Shell, SshEndpoint
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.ssh.host import SshHost
from flow_core.ssh.settings import LOCALE_VARIABLES, HostSettings

if TYPE_CHECKING:
    from flow_core.providers.local.sshd.endpoint import LocalEndpoints


class LocalShells:
    """Shells inside running tasks, over SSH as on any other machine. The first one starts the server."""

    def __init__(self, tasks: TaskStore, endpoints: LocalEndpoints) -> None:
        self._tasks = tasks
        self._endpoints = endpoints

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        task, endpoint, _ = await asyncio.gather(
            call_agent(self._tasks.get, task_id),
            self._endpoints.resolve(task_id, node),
            asyncio.to_thread(_load_asyncssh),
        )
        host = SshHost(_make_host_settings(endpoint, _describe_target(task, node)))
        return await host.open_shell(columns=columns, rows=rows, command=command)

    async def directory(self, task_id: str) -> Path | None:
        task = await call_agent(self._tasks.get, task_id)
        folder = task.report.working_dir
        return Path(folder) if folder else None


def _load_asyncssh() -> None:
    """Loads asyncssh, which takes 0.2 s, in a thread while the server starts."""
    import flow_core.ssh.connection
    import flow_core.ssh.shell  # noqa: F401


def _make_host_settings(endpoint: SshEndpoint, alias: str) -> HostSettings:
    """Returns settings that offer only the endpoint's key and accept only its host key."""
    return HostSettings(
        alias,
        endpoint.host,
        endpoint.user,
        endpoint.port,
        identity_files=(endpoint.key_path,) if endpoint.key_path else (),
        identities_only=True,
        known_hosts=(endpoint.known_hosts,) if endpoint.known_hosts else (),
        host_key_alias=endpoint.host_key_alias,
        strictness="yes",
        is_batch=True,
        send_env=LOCALE_VARIABLES,
    )


def _describe_target(task: StoredTask, node: int) -> str:
    name = task.report.name
    return f"node {node} of {name}" if task.report.ranks > 1 else name
