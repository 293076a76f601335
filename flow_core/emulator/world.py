"""Everything that there is in one emulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeVar

from flow_core.emulator.faults import Faults
from flow_core.emulator.http.messages import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from flow_core.emulator.account.api_keys import ApiKey
    from flow_core.emulator.account.people import Person
    from flow_core.emulator.account.projects import Project
    from flow_core.emulator.account.ssh_keys import SshKey
    from flow_core.emulator.clock import Clock, Timer
    from flow_core.emulator.fids import Fids
    from flow_core.emulator.lifecycle_scripts import Script
    from flow_core.emulator.market.auctions import Auction
    from flow_core.emulator.nodes.contract import NodeFleet
    from flow_core.emulator.orders.bids import Bid
    from flow_core.emulator.orders.clusters import Cluster
    from flow_core.emulator.orders.instances import Instance
    from flow_core.emulator.orders.order import Order
    from flow_core.emulator.reservations.rows import Reservation
    from flow_core.emulator.settings import Settings
    from flow_core.emulator.storage.volumes import Volume

Row = TypeVar("Row")


@dataclass(slots=True)
class World:
    """Rows by their fid, in the order in which they came to be. Without nodes, instances are never reachable."""

    settings: Settings
    clock: Clock
    fids: Fids
    nodes: NodeFleet | None
    me: Person
    people: list[Person]
    projects: dict[str, Project]
    auctions: dict[tuple[str, str], Auction]
    quotas: dict[str, int]
    url: str = ""
    mover: Timer | None = None
    addresses: Iterator[int] = field(default_factory=count)
    faults: Faults = field(default_factory=Faults)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    ssh_keys: dict[str, SshKey] = field(default_factory=dict)
    bids: dict[str, Bid] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    scripts: dict[str, Script] = field(default_factory=dict)
    shown_by_key: dict[tuple[str, str], Callable[[], Any]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def living_orders(self) -> Iterator[Order]:
        """Every bid and reservation that isn't over."""
        every: Iterator[Order] = chain(self.bids.values(), self.reservations.values())
        return (order for order in every if order.deactivated_at is None)

    def project(self, fid: str) -> Project:
        """Raises Refusal."""
        return known(self.projects, fid, "Project")

    def auction(self, instance_type: str, region: str) -> Auction:
        """Raises Refusal."""
        auction = self.auctions.get((instance_type, region))
        if auction is None:
            raise Refusal(400, f"Instance type {instance_type} is not offered in region {region}")
        return auction


def known(rows: dict[str, Row], fid: str, noun: str) -> Row:
    """Raises Refusal."""
    row = rows.get(fid)
    if row is None:
        raise Refusal(404, f"{noun} not found")
    return row
