"""The ways into tasks that every provider over SSH has; each is loaded when it is asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.endpoints import SshEndpoints
    from flow_core.providers.over_ssh.places import Places
    from flow_core.providers.over_ssh.remote import SshRemote
    from flow_core.providers.over_ssh.shells import SshShells
    from flow_core.providers.over_ssh.tunnels import SshTunnels
    from flow_core.providers.over_ssh.uploads import SshUploads


class WaysIn:
    """Part of a provider, which says where its tasks are. Whoever only looks at tasks loads none of this."""

    _places: Places

    @cached_property
    def shells(self) -> SshShells:
        from flow_core.providers.over_ssh.shells import SshShells

        return SshShells(self._places)

    @cached_property
    def remote(self) -> SshRemote:
        from flow_core.providers.over_ssh.remote import SshRemote

        return SshRemote(self._places)

    @cached_property
    def uploads(self) -> SshUploads:
        from flow_core.providers.over_ssh.uploads import SshUploads

        return SshUploads(self._places)

    @cached_property
    def endpoints(self) -> SshEndpoints:
        from flow_core.providers.over_ssh.endpoints import SshEndpoints

        return SshEndpoints(self._places)

    @cached_property
    def tunnels(self) -> SshTunnels:
        from flow_core.providers.over_ssh.tunnels import SshTunnels

        return SshTunnels(self._places)
