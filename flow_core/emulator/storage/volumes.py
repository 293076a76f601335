"""Volumes: created, listed, renamed, deleted; which orders they belong to is read off those."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from flow_core.emulator.clock import stamp, stamp_or_none

if TYPE_CHECKING:
    from flow_core.emulator.world import World


@dataclass(slots=True)
class Volume:
    fid: str
    name: str
    project: str
    region: str
    interface: Literal["Block", "File"]
    size_gb: int
    created_at: datetime
    deleted_at: datetime | None = None


def as_json(world: World, volume: Volume) -> dict[str, Any]:
    """`attachments` are the instances that have it, by fid, with their names."""
    orders = [order for order in world.living_orders() if volume.fid in order.launch.volumes]
    instances = [world.instances[fid] for order in orders for fid in order.instances]
    return {
        "fid": volume.fid,
        "name": volume.name,
        "region": volume.region,
        "created_at": stamp(volume.created_at),
        "deleted_at": stamp_or_none(volume.deleted_at),
        "capacity_gb": volume.size_gb,
        "project": volume.project,
        "interface": volume.interface,
        "bids": [order.fid for order in orders if order.product == "Spot"],
        "reservations": [order.fid for order in orders if order.product == "Reservations"],
        "attachments": {one.fid: one.name for one in instances if not one.is_gone},
    }
