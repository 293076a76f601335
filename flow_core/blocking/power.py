"""The provider's own objects, for ordinary code.

Each is found anew for every call: a forked child has another provider than its parent. What there is none of is refused
when the object is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flow_core import checks
from flow_core._loop import call
from flow_core.blocking.words import same_as
from flow_core.providers.contract import access, account

if TYPE_CHECKING:
    from flow_core.models.identity import SshKey

_LAST_PORT = 65535


class RemoteOperations:
    """Single commands inside running tasks."""

    def __init__(self, remote: Callable[[], access.RemoteOperations]) -> None:
        remote()
        self._remote = remote

    def run(
        self, task_id: str, command: str, *, node: int = 0, timeout_s: float | None = 600, stdin: bytes = b""
    ) -> access.CompletedCommand:
        """Runs a shell line in the task's directory with its environment, and collects what it says.

        Not safe twice. After `timeout_s` (None: never) the command is ended and Unreachable raised. Raises NotFound,
        Conflict for a task that doesn't run, ConfigError for a node it doesn't have.
        """
        wanted, line = checks.text("task_id", task_id), checks.command("command", command)
        where, limit_s = checks.whole("node", node), checks.seconds("timeout_s", timeout_s)
        return call(self._remote().run(wanted, line, node=where, timeout_s=limit_s, stdin=checks.raw("stdin", stdin)))


class SshKeyManager:
    """The keys that a platform puts on its instances."""

    def __init__(self, keys: Callable[[], account.SshKeyFacet]) -> None:
        keys()
        self._keys = keys

    @same_as(account.SshKeyFacet.list)
    def list(self, project_id: str | None = None) -> tuple[SshKey, ...]:
        return call(self._keys().list(checks.optional_text("project_id", project_id)))

    @same_as(account.SshKeyFacet.create)
    def create(self, name: str, public_key: str) -> SshKey:
        return call(self._keys().create(checks.text("name", name), checks.text("public_key", public_key)))

    @same_as(account.SshKeyFacet.delete)
    def delete(self, key_id: str) -> bool:
        return call(self._keys().delete(checks.text("key_id", key_id)))

    @same_as(account.SshKeyFacet.ensure_default)
    def ensure_default(self) -> str | None:
        return call(self._keys().ensure_default())


class SshTunnelManager:
    """Ports of tasks on this machine, reached through SSH."""

    def __init__(self, tunnels: Callable[[], access.SshTunnelManager]) -> None:
        tunnels()
        self._tunnels = tunnels

    @same_as(access.SshTunnelManager.open)
    def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> access.Tunnel:
        wanted, far = checks.text("task_id", task_id), checks.whole("remote_port", remote_port, 1, _LAST_PORT)
        near = checks.whole("local_port", local_port, 0, _LAST_PORT)
        return call(self._tunnels().open(wanted, far, near, node=checks.whole("node", node)))

    @same_as(access.SshTunnelManager.list)
    def list(self, task_id: str | None = None) -> tuple[access.Tunnel, ...]:
        return call(self._tunnels().list(checks.optional_text("task_id", task_id)))

    @same_as(access.SshTunnelManager.close)
    def close(self, tunnel_id: str) -> None:
        call(self._tunnels().close(checks.text("tunnel_id", tunnel_id)))
