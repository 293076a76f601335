"""The state of one emulator: every table, the market and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, count
from typing import Any, TypeVar

from flow_core.emulator.clock import Timer, WorldClock
from flow_core.emulator.faults import Faults
from flow_core.emulator.http.responses import ApiError
from flow_core.emulator.ids import IdSource
from flow_core.emulator.market.auctions import Auction, open_auctions
from flow_core.emulator.market.catalog import DEFAULT_QUOTAS
from flow_core.emulator.nodes.machine_interface import NodeFleet
from flow_core.emulator.orders.bids import BidRow
from flow_core.emulator.orders.instances import InstanceRow
from flow_core.emulator.orders.order import Order
from flow_core.emulator.reservations.models import ReservationRow
from flow_core.emulator.rows import (
    ApiKeyRow,
    ClusterRow,
    ProjectRow,
    ScriptRow,
    SshKeyRow,
    UserRow,
    VolumeRow,
    create_users,
)
from flow_core.emulator.settings import Settings

_PROJECTS = ("lab", "lab-archive")
_USERS = (("ada", "admin"), ("grace", "member"), ("alan", "member"))
_PROJECT_AGE = timedelta(days=90)
Row = TypeVar("Row")


@dataclass(slots=True)
class World:
    """The tables: rows by their fid, in the order of their creation. Without `nodes`, instances are never reachable."""

    settings: Settings
    clock: WorldClock
    ids: IdSource
    nodes: NodeFleet | None
    me: UserRow
    users: list[UserRow]
    projects: dict[str, ProjectRow]
    auctions: dict[tuple[str, str], Auction]
    quotas: dict[str, int]
    url: str = ""
    price_timer: Timer | None = None
    addresses: Iterator[int] = field(default_factory=count)
    faults: Faults = field(default_factory=Faults)
    api_keys: dict[str, ApiKeyRow] = field(default_factory=dict)
    ssh_keys: dict[str, SshKeyRow] = field(default_factory=dict)
    bids: dict[str, BidRow] = field(default_factory=dict)
    instances: dict[str, InstanceRow] = field(default_factory=dict)
    volumes: dict[str, VolumeRow] = field(default_factory=dict)
    clusters: dict[str, ClusterRow] = field(default_factory=dict)
    reservations: dict[str, ReservationRow] = field(default_factory=dict)
    scripts: dict[str, ScriptRow] = field(default_factory=dict)
    created_by_key: dict[tuple[str, str], Callable[[], Any]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def active_orders(self) -> Iterator[Order]:
        """Yields every bid and reservation that has not ended."""
        every: Iterator[Order] = chain(self.bids.values(), self.reservations.values())
        return (order for order in every if order.deactivated_at is None)

    def project(self, fid: str) -> ProjectRow:
        """Returns a project. Raises ApiError for an unknown one."""
        return find_row(self.projects, fid, "Project")

    def auction(self, instance_type: str, region: str) -> Auction:
        """Returns the auction of a market. Raises ApiError for an unknown one."""
        auction = self.auctions.get((instance_type, region))
        if auction is None:
            raise ApiError(400, f"Instance type {instance_type} is not offered in region {region}")
        return auction


def create_world(settings: Settings, clock: WorldClock, nodes: NodeFleet | None) -> World:
    """Creates one account, its projects, and the market. The same seed gives the same world, except for its times."""
    ids = IdSource(settings.seed)
    now = clock.now()
    projects = [ProjectRow(ids.make("proj"), name, now - _PROJECT_AGE) for name in _PROJECTS]
    users = create_users(ids, _USERS, tuple(project.fid for project in projects))
    auctions = open_auctions(ids, settings.seed, now)
    return World(
        settings=settings,
        clock=clock,
        ids=ids,
        nodes=nodes,
        me=users[0],
        users=users,
        projects={project.fid: project for project in projects},
        auctions={(one.offering.instance_type, one.offering.region): one for one in auctions},
        quotas=dict(DEFAULT_QUOTAS),
    )


def find_row(rows: dict[str, Row], fid: str, noun: str) -> Row:
    """Returns the row of a fid. Raises ApiError for an unknown one."""
    row = rows.get(fid)
    if row is None:
        raise ApiError(404, f"{noun} not found")
    return row
