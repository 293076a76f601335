"""Changes of a bid. One invalid part refuses the whole change."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flow_core.emulator.http.parsing import BodyModel
from flow_core.emulator.http.responses import ApiError, invalid_field
from flow_core.emulator.money import format_dollars, parse_cents
from flow_core.emulator.orders import bid_lifecycle
from flow_core.emulator.orders.bids import BidEvent, BidRow
from flow_core.emulator.orders.launch_specification import check_volumes
from flow_core.emulator.world import World


class UpdateBid(BodyModel):
    limit_price: str | None = None
    paused: bool | None = None
    volumes: list[str] | None = None
    memory_gb: Annotated[int, Field(ge=1)] | None = None


def parse_limit(text: str, minimum_cents: int) -> int:
    """Returns a limit price in cents. Raises ApiError."""
    limit_cents = parse_cents(text)
    if limit_cents is None:
        raise invalid_field(("body", "limit_price"), 'Input should be an amount of dollars such as "$12.50"')
    if limit_cents < minimum_cents:
        raise ApiError(400, f"Limit price below minimum price of {format_dollars(minimum_cents)}")
    return limit_cents


async def change_bid(world: World, bid: BidRow, body: UpdateBid) -> None:
    """Applies a change. Raises ApiError."""
    auction = bid.auction
    if bid.status == "Terminated":
        raise ApiError(400, "Bid is terminated and can't be changed")
    limit_cents = None if body.limit_price is None else parse_limit(body.limit_price, auction.offering.minimum_cents)
    _check_volumes(world, bid, body)
    if body.memory_gb is not None and not auction.offering.has_adjustable_memory:
        raise ApiError(400, "The memory of this instance type is not adjustable")
    if body.paused is True:
        await bid_lifecycle.pause(world, bid)
    if body.volumes is not None:
        _change_volumes(world, bid, body.volumes)
    if body.memory_gb is not None:
        bid.launch.memory_gb = body.memory_gb
        bid.events.append(BidEvent(world.now, "Memory Adjusted", world.me.fid, memory_gb=body.memory_gb))
    if limit_cents is not None:
        await _change_limit(world, bid, limit_cents)
    if body.paused is False:
        await bid_lifecycle.resume(world, bid)


def _check_volumes(world: World, bid: BidRow, body: UpdateBid) -> None:
    if body.volumes is None:
        return
    check_volumes(world, body.volumes, bid.project, bid.region, bid.quantity, bid.fid)
    is_up = bid.status in ("Allocated", "Preempting") and body.paused is not True
    if is_up and set(body.volumes) != set(bid.launch.volumes) and world.settings.volumes_change_only_while_paused:
        raise ApiError(400, "Volumes can only be changed while the bid is paused")


def _change_volumes(world: World, bid: BidRow, fids: list[str]) -> None:
    for fid in fids:
        if fid not in bid.launch.volumes:
            bid.events.append(BidEvent(world.now, "Volumes Attached", world.me.fid, attached=fid))
    for fid in bid.launch.volumes:
        if fid not in fids:
            bid.events.append(BidEvent(world.now, "Volumes Removed", world.me.fid, removed=fid))
    bid.launch.volumes = list(fids)


async def _change_limit(world: World, bid: BidRow, limit_cents: int) -> None:
    bid.limit_cents = limit_cents
    bid_lifecycle.add_event(world, bid, "Limit Price Changed", limit_cents=limit_cents)
    auction = bid.auction
    if bid.fid in auction.allocated_limits:
        auction.allocated_limits[bid.fid] = limit_cents
    await bid_lifecycle.follow_market(world, auction)
