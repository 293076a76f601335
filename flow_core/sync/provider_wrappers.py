"""The provider's own objects, for blocking code.

Each call gets the object from the provider again: a forked child has another provider than its parent. The constructor
raises Unsupported if the provider lacks the object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flow_core.argument_checks import (
    check_bytes,
    check_command,
    check_integer,
    check_optional_text,
    check_seconds,
    check_text,
)
from flow_core.providers.contract import access, account
from flow_core.sync.loop_thread import run_sync
from flow_core.sync.twin import copy_docstring

if TYPE_CHECKING:
    from flow_core.models.completed_command import CompletedCommand
    from flow_core.models.identity import SshKey

_PORT_MAX = 65535


class RemoteOperationsFacade:
    """The provider's object that runs single commands in running tasks."""

    def __init__(self, remote: Callable[[], access.RemoteOperations]) -> None:
        remote()
        self._remote = remote

    def run(
        self, task_id: str, command: str, *, node: int = 0, timeout_s: float | None = 600, stdin: bytes = b""
    ) -> CompletedCommand:
        """Runs a shell line in the task's directory with its environment, and collects its output.

        Two calls run it twice. After `timeout_s` (None: no limit) the command is ended and Unreachable is raised.
        Raises NotFound, Conflict for a task that doesn't run, ConfigError for a node that the task doesn't have.
        """
        checked_id, line = check_text("task_id", task_id), check_command("command", command)
        checked_node, limit_s = check_integer("node", node), check_seconds("timeout_s", timeout_s)
        return run_sync(
            self._remote().run(
                checked_id, line, node=checked_node, timeout_s=limit_s, stdin=check_bytes("stdin", stdin)
            )
        )


class SshKeyFacade:
    """The keys that a platform puts on its instances."""

    def __init__(self, keys: Callable[[], account.SshKeyFacet]) -> None:
        keys()
        self._keys = keys

    @copy_docstring(account.SshKeyFacet.list)
    def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        return run_sync(self._keys().list(check_optional_text("project_id", project_id)))

    @copy_docstring(account.SshKeyFacet.create)
    def create(self, name: str, public_key: str) -> SshKey:
        return run_sync(self._keys().create(check_text("name", name), check_text("public_key", public_key)))

    @copy_docstring(account.SshKeyFacet.delete)
    def delete(self, key_id: str) -> bool:
        return run_sync(self._keys().delete(check_text("key_id", key_id)))

    @copy_docstring(account.SshKeyFacet.ensure_default)
    def ensure_default(self) -> str | None:
        return run_sync(self._keys().ensure_default())


class SshTunnelFacade:
    """The provider's object that forwards ports of tasks to this machine, over SSH."""

    def __init__(self, tunnels: Callable[[], access.SshTunnelManager]) -> None:
        tunnels()
        self._tunnels = tunnels

    @copy_docstring(access.SshTunnelManager.open)
    def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> access.Tunnel:
        checked_id, checked_port = (
            check_text("task_id", task_id),
            check_integer("remote_port", remote_port, 1, _PORT_MAX),
        )
        checked_local_port = check_integer("local_port", local_port, 0, _PORT_MAX)
        return run_sync(
            self._tunnels().open(checked_id, checked_port, checked_local_port, node=check_integer("node", node))
        )

    @copy_docstring(access.SshTunnelManager.list)
    def list(self, task_id: str | None = None) -> tuple[access.Tunnel, ...]:
        return run_sync(self._tunnels().list(check_optional_text("task_id", task_id)))

    @copy_docstring(access.SshTunnelManager.close)
    def close(self, tunnel_id: str) -> None:
        run_sync(self._tunnels().close(check_text("tunnel_id", tunnel_id)))
