"""The provider's own objects, for ordinary code.

Each is found anew for every call: a forked child has another provider than its parent. What there is none of is refused
when the object is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.providers import account, entry
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import run_sync

if TYPE_CHECKING:
    from flow_core.models.identity import SshKey

_LAST_PORT = 65535


class RemoteOperations:
    """Single commands inside running tasks."""

    def __init__(self, remote: Callable[[], entry.RemoteOperations]) -> None:
        remote()
        self._remote = remote

    def run(
        self, task_id: str, command: str, *, node: int = 0, timeout_s: float | None = 600, stdin: bytes = b""
    ) -> entry.Completed:
        """Runs a shell line in the task's directory with its environment, and collects what it says.

        Not safe twice. After `timeout_s` (None: never) the command is ended and Unreachable raised. Raises NotFound,
        Conflict for a task that doesn't run, ConfigError for a node it doesn't have.
        """
        wanted, line = validation.text("task_id", task_id), validation.command("command", command)
        where, limit_s = validation.whole("node", node), validation.seconds("timeout_s", timeout_s)
        return run_sync(
            self._remote().run(wanted, line, node=where, timeout_s=limit_s, stdin=validation.raw("stdin", stdin))
        )


class SshKeyManager:
    """The keys that a platform puts on its instances."""

    def __init__(self, keys: Callable[[], account.SshKeyFacet]) -> None:
        keys()
        self._keys = keys

    @copy_docstring(account.SshKeyFacet.list)
    def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        return run_sync(self._keys().list(validation.optional_text("project_id", project_id)))

    @copy_docstring(account.SshKeyFacet.create)
    def create(self, name: str, public_key: str) -> SshKey:
        return run_sync(self._keys().create(validation.text("name", name), validation.text("public_key", public_key)))

    @copy_docstring(account.SshKeyFacet.delete)
    def delete(self, key_id: str) -> bool:
        return run_sync(self._keys().delete(validation.text("key_id", key_id)))

    @copy_docstring(account.SshKeyFacet.ensure_default)
    def ensure_default(self) -> str | None:
        return run_sync(self._keys().ensure_default())


class SshTunnelManager:
    """Ports of tasks on this machine, reached through SSH."""

    def __init__(self, tunnels: Callable[[], entry.SshTunnelManager]) -> None:
        tunnels()
        self._tunnels = tunnels

    @copy_docstring(entry.SshTunnelManager.open)
    def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> entry.Tunnel:
        wanted, far = validation.text("task_id", task_id), validation.whole("remote_port", remote_port, 1, _LAST_PORT)
        near = validation.whole("local_port", local_port, 0, _LAST_PORT)
        return run_sync(self._tunnels().open(wanted, far, near, node=validation.whole("node", node)))

    @copy_docstring(entry.SshTunnelManager.list)
    def list(self, task_id: str | None = None) -> tuple[entry.Tunnel, ...]:
        return run_sync(self._tunnels().list(validation.optional_text("task_id", task_id)))

    @copy_docstring(entry.SshTunnelManager.close)
    def close(self, tunnel_id: str) -> None:
        run_sync(self._tunnels().close(validation.text("tunnel_id", tunnel_id)))
