"""Shells in running tasks, on a terminal, with the task's folder, environment and mounts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.agent.task_exec import make_exec_spec
from flow_core.agent.task_reader import StoredTask
from flow_core.agent.tasks import TaskStore
from flow_core.providers.contract.access import Shell, SshEndpoint
from flow_core.providers.over_agent.in_process_agent import call_agent
from flow_core.providers.this_machine.terminal_shell import open_terminal_shell
from flow_core.ssh.settings import LOCALE_VARIABLES, HostSettings

if TYPE_CHECKING:
    from flow_core.providers.local.sshd.endpoint import LocalEndpoints
    from flow_core.ssh.shell import RemoteShell


class LocalShells:
    """Shells inside running tasks.

    A shell in a container is opened over SSH: the server ends what it runs there, even if this process is killed. The
    first one starts the server.
    """

    def __init__(self, tasks: TaskStore, endpoints: LocalEndpoints) -> None:
        self._tasks = tasks
        self._endpoints = endpoints

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        task = await call_agent(self._tasks.get, task_id)
        if task.spec is not None and task.spec.container is not None:
            return await self._open_over_ssh(task, columns, rows, command, node)
        spec = await call_agent(make_exec_spec, task, command, node, on_terminal=True)
        env = {**spec.env, **_read_locale()}
        title = _describe_target(task, node)
        return await open_terminal_shell(title, spec.argv, columns=columns, rows=rows, env=env, folder="/")

    async def directory(self, task_id: str) -> Path | None:
        task = await call_agent(self._tasks.get, task_id)
        folder = task.report.working_dir
        return Path(folder) if folder else None

    async def _open_over_ssh(
        self, task: StoredTask, columns: int, rows: int, command: str | None, node: int
    ) -> RemoteShell:
        from flow_core.ssh.host import SshHost  # lazy import: only shells in containers need SSH

        endpoint, _ = await asyncio.gather(
            self._endpoints.resolve(task.task_id, node), asyncio.to_thread(_load_asyncssh)
        )
        host = SshHost(_make_host_settings(endpoint, _describe_target(task, node)))
        return await host.open_shell(columns=columns, rows=rows, command=command)


def _read_locale() -> dict[str, str]:
    """Returns the language of this process, as SSH sends it."""
    return {name: value for name, value in os.environ.items() if name == "LANG" or name.startswith("LC_")}


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
