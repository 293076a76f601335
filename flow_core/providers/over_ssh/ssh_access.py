"""The facets for access to tasks that every provider over SSH has; each is loaded on first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.providers.contract.access import EndpointFacet
    from flow_core.providers.over_ssh.shells import SshShells
    from flow_core.providers.over_ssh.task_commands import SshTaskCommands
    from flow_core.providers.over_ssh.task_nodes import TaskLocator
    from flow_core.providers.over_ssh.tunnels import SshTunnels
    from flow_core.providers.over_ssh.uploads import SshUploads


class SshAccess:
    """A base class of a provider, which sets `_locator`. A client that only lists tasks loads none of the facets."""

    _locator: TaskLocator

    @cached_property
    def shells(self) -> SshShells:
        from flow_core.providers.over_ssh.shells import SshShells

        return SshShells(self._locator)

    @cached_property
    def remote(self) -> SshTaskCommands:
        from flow_core.providers.over_ssh.task_commands import SshTaskCommands

        return SshTaskCommands(self._locator)

    @cached_property
    def uploads(self) -> SshUploads:
        from flow_core.providers.over_ssh.uploads import SshUploads

        return SshUploads(self._locator)

    @cached_property
    def endpoints(self) -> EndpointFacet | None:
        from flow_core.providers.over_ssh.endpoints import SshEndpoints

        return SshEndpoints(self._locator)

    @cached_property
    def tunnels(self) -> SshTunnels:
        from flow_core.providers.over_ssh.tunnels import SshTunnels

        return SshTunnels(self._locator)
