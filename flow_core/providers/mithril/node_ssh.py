"""The SSH settings of the nodes of a bid."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flow_core.errors import Conflict
from flow_core.logs.escape import escape_controls
from flow_core.providers.mithril.bids import BidInstance
from flow_core.providers.mithril.private_keys import find_agent_socket, find_private_keys
from flow_core.ssh.settings import LOCALE_VARIABLES, HostSettings

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.host_pool import HostPool
    from flow_core.ssh.host import SshHost

USER = "ubuntu"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]*:[0-9a-fA-F:]+")


class Destination(NamedTuple):
    """The SSH address of a machine, as reported by the API."""

    host: str
    port: int = 22

    @classmethod
    def of(cls, text: str) -> Destination | None:
        """Parses "host", "host:port" or "[address]:port"; ignores a user before it. None for anything else."""
        match = re.fullmatch(r"(?:[^@]*@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d{1,5}))?", text.strip())
        if match is None:
            return None
        host, port = match["v6"] or match["host"], int(match["port"] or 22)
        is_valid = _HOST.fullmatch(host) and ".." not in host and 0 < port < 1 << 16
        return cls(host, port) if is_valid else None


class MithrilMachines:
    """The SSH hosts of rented machines.

    Machines reuse addresses, so each is identified by its id. Flow's own known_hosts stores the first host key of each
    machine, and only that key is accepted later.
    """

    def __init__(self, pool: HostPool, folder: Path, key_file: Path | None) -> None:
        self._pool = pool
        self._folder = folder
        self._key_file = key_file

    async def get_host(self, nodes: Sequence[BidInstance], node: int, public_keys: Mapping[str, str]) -> SshHost:
        """Returns the machine of a node; `nodes` are in their order. `public_keys` are the bid's, by id.

        Raises Conflict while it has no address.
        """
        keys = await asyncio.to_thread(find_private_keys, self._folder, public_keys, self._key_file)
        if node >= len(nodes):
            raise Conflict(f"node {node} has no machine yet; try again in a moment")
        target, head = nodes[node], nodes[0]
        if (direct := Destination.of(target.ssh_destination)) is not None:
            return self._pool.get_host(self._make_host_settings(target, direct, keys))
        gateway = Destination.of(head.ssh_destination)
        private = Destination.of(target.private_ip)
        if node == 0 or gateway is None or private is None:
            raise Conflict(
                f"{escape_controls(target.name or target.instance_id)} has no address yet; try again in a moment"
            )
        settings = self._make_host_settings(target, private, keys)
        return self._pool.get_host(replace(settings, hops=(self._make_host_settings(head, gateway, keys),)))

    def _make_host_settings(self, node: BidInstance, destination: Destination, keys: tuple[Path, ...]) -> HostSettings:
        return HostSettings(
            alias=escape_controls(node.name or node.instance_id),
            hostname=destination.host,
            user=USER,
            port=destination.port,
            identity_files=keys,
            identities_only=bool(keys),
            agent=find_agent_socket(),
            known_hosts=(self._folder / "known_hosts",),
            host_key_alias=node.instance_id,
            strictness="accept-new",
            send_env=LOCALE_VARIABLES,
        )
