"""How the nodes of a bid are reached over SSH."""

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
from flow_core.providers.mithril.private_keys import agent_of_user, private_keys
from flow_core.ssh.settings import LOCALE_VARIABLES, HostSettings

if TYPE_CHECKING:
    from flow_core.providers.over_ssh.host_pool import HostPool
    from flow_core.ssh.host import SshHost

USER = "ubuntu"
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]*:[0-9a-fA-F:]+")


class Destination(NamedTuple):
    """Where the API says that SSH answers."""

    host: str
    port: int = 22

    @classmethod
    def of(cls, text: str) -> Destination | None:
        """Reads "host", "host:port" or "[address]:port", a user before it aside; None for anything else."""
        found = re.fullmatch(r"(?:[^@]*@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d{1,5}))?", text.strip())
        if found is None:
            return None
        host, port = found["v6"] or found["host"], int(found["port"] or 22)
        is_whole = _HOST.fullmatch(host) and ".." not in host and 0 < port < 1 << 16
        return cls(host, port) if is_whole else None


class MithrilMachines:
    """Machines reuse addresses, so each is known by its own id, in a known_hosts of ours: the first key that it shows
    is its key, and no other one is taken later."""

    def __init__(self, pool: HostPool, folder: Path, key_file: Path | None) -> None:
        self._pool = pool
        self._folder = folder
        self._key_file = key_file

    async def host(self, nodes: Sequence[BidInstance], node: int, public_keys: Mapping[str, str]) -> SshHost:
        """The machine of a node; `nodes` in their order. `public_keys` are the bid's, by id.

        Raises Conflict while it has no address.
        """
        keys = await asyncio.to_thread(private_keys, self._folder, public_keys, self._key_file)
        if node >= len(nodes):
            raise Conflict(f"node {node} has no machine yet; try again in a moment")
        wanted, head = nodes[node], nodes[0]
        if (direct := Destination.of(wanted.ssh_destination)) is not None:
            return self._pool.of(self._settings(wanted, direct, keys))
        through = Destination.of(head.ssh_destination)
        inner = Destination.of(wanted.private_ip)
        if node == 0 or through is None or inner is None:
            raise Conflict(
                f"{escape_controls(wanted.name or wanted.instance_id)} has no address yet; try again in a moment"
            )
        settings = self._settings(wanted, inner, keys)
        return self._pool.of(replace(settings, hops=(self._settings(head, through, keys),)))

    def _settings(self, node: BidInstance, where: Destination, keys: tuple[Path, ...]) -> HostSettings:
        return HostSettings(
            alias=escape_controls(node.name or node.instance_id),
            hostname=where.host,
            user=USER,
            port=where.port,
            identity_files=keys,
            identities_only=bool(keys),
            agent=agent_of_user(),
            known_hosts=(self._folder / "known_hosts",),
            host_key_alias=node.instance_id,
            strictness="accept-new",
            send_env=LOCALE_VARIABLES,
        )
