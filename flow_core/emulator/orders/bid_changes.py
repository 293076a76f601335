"""What may be changed of a bid: all of it, or nothing where one part is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from flow_core.emulator.http.checking import Body
from flow_core.emulator.http.messages import Refusal, invalid
from flow_core.emulator.money import cents, dollars
from flow_core.emulator.orders import bidding
from flow_core.emulator.orders.bids import Bid, BidEvent
from flow_core.emulator.orders.launch import check_volumes

if TYPE_CHECKING:
    from flow_core.emulator.world import World


class UpdateBid(Body):
    limit_price: str | None = None
    paused: bool | None = None
    volumes: list[str] | None = None
    memory_gb: Annotated[int, Field(ge=1)] | None = None


def limit_of(text: str, minimum_cents: int) -> int:
    """A limit price in cents. Raises Refusal."""
    limit_cents = cents(text)
    if limit_cents is None:
        raise invalid(("body", "limit_price"), 'Input should be an amount of dollars such as "$12.50"')
    if limit_cents < minimum_cents:
        raise Refusal(400, f"Limit price below minimum price of {dollars(minimum_cents)}")
    return limit_cents


async def change_bid(world: World, bid: Bid, wanted: UpdateBid) -> None:
    """Raises Refusal."""
    auction = bid.auction(world)
    if bid.status == "Terminated":
        raise Refusal(400, "Bid is terminated and can't be changed")
    limit_cents = None if wanted.limit_price is None else limit_of(wanted.limit_price, auction.offering.minimum_cents)
    _check_volumes(world, bid, wanted)
    if wanted.memory_gb is not None and not auction.offering.has_adjustable_memory:
        raise Refusal(400, "The memory of this instance type is not adjustable")
    if wanted.paused is True:
        await bidding.pause(world, bid)
    if wanted.volumes is not None:
        _change_volumes(world, bid, wanted.volumes)
    if wanted.memory_gb is not None:
        bid.launch.memory_gb = wanted.memory_gb
        bid.events.append(BidEvent(world.now, "Memory Adjusted", world.me.fid, memory_gb=wanted.memory_gb))
    if limit_cents is not None:
        await _change_limit(world, bid, limit_cents)
    if wanted.paused is False:
        await bidding.resume(world, bid)


def _check_volumes(world: World, bid: Bid, wanted: UpdateBid) -> None:
    if wanted.volumes is None:
        return
    check_volumes(world, wanted.volumes, bid.project, bid.region, bid.quantity, bid.fid)
    is_up = bid.status in ("Allocated", "Preempting") and wanted.paused is not True
    if is_up and set(wanted.volumes) != set(bid.launch.volumes) and world.settings.volumes_change_only_while_paused:
        raise Refusal(400, "Volumes can only be changed while the bid is paused")


def _change_volumes(world: World, bid: Bid, fids: list[str]) -> None:
    for fid in fids:
        if fid not in bid.launch.volumes:
            bid.events.append(BidEvent(world.now, "Volumes Attached", world.me.fid, attached=fid))
    for fid in bid.launch.volumes:
        if fid not in fids:
            bid.events.append(BidEvent(world.now, "Volumes Removed", world.me.fid, removed=fid))
    bid.launch.volumes = list(fids)


async def _change_limit(world: World, bid: Bid, limit_cents: int) -> None:
    bid.limit_cents = limit_cents
    bidding.note(world, bid, "Limit Price Changed", limit_cents=limit_cents)
    auction = bid.auction(world)
    if bid.fid in auction.allocated_limits:
        auction.allocated_limits[bid.fid] = limit_cents
    await bidding.follow_market(world, auction)
