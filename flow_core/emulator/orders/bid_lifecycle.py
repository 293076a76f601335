"""The lifecycle of a bid: it waits, is allocated, preempted, paused, resumed, terminated."""

from __future__ import annotations

from flow_core.emulator.clock import Action
from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.orders import instance_lifecycle
from flow_core.emulator.orders.bids import BidEvent, BidEventType, BidRow
from flow_core.emulator.orders.instances import InstanceRow
from flow_core.emulator.world import World


def add_event(
    world: World, bid: BidRow, kind: BidEventType, *, by_user: bool = True, limit_cents: int | None = None
) -> None:
    bid.events.append(BidEvent(world.now, kind, world.me.fid if by_user else None, limit_cents))


def wait_for_allocation(world: World, bid: BidRow) -> None:
    """Opens the bid. Its auction considers it after `seconds_to_allocate`."""
    bid.set_status("Open")

    async def consider() -> None:
        bid.timer = None
        await _try_to_allocate(world, bid)

    _schedule(world, bid, world.settings.seconds_to_allocate, consider)


async def pause(world: World, bid: BidRow) -> None:
    """Pauses a bid. Does nothing to a terminated bid. Calling it again is safe."""
    async with bid.lock:
        if bid.status in ("Paused", "Terminated"):
            return
        _release(world, bid)
        bid.set_status("Paused")
        add_event(world, bid, "Paused")
        await instance_lifecycle.halt(world, _instances(world, bid), "STATUS_PAUSED")


async def resume(world: World, bid: BidRow) -> None:
    """Resumes a paused bid. Calling it again is safe."""
    async with bid.lock:
        if bid.status == "Paused":
            add_event(world, bid, "Resumed")
            wait_for_allocation(world, bid)


async def terminate(world: World, bid: BidRow) -> None:
    """Releases its instances, volumes and keys immediately. Calling it again is safe."""
    async with bid.lock:
        if bid.status == "Terminated":
            return
        _release(world, bid)
        bid.set_status("Terminated")
        bid.deactivated_at = world.now
        add_event(world, bid, "Terminated")
        await instance_lifecycle.halt(world, _instances(world, bid), "STATUS_TERMINATED", keeps_disk=False)


async def preempt(world: World, bid: BidRow) -> None:
    """Warns an allocated bid, and opens it again after the notice. Does nothing to other bids."""
    async with bid.lock:
        await _preempt(world, bid)


async def relocate(world: World, bid: BidRow) -> None:
    """Moves all of its running instances."""
    async with bid.lock:
        for instance in _instances(world, bid):
            if instance.status == "STATUS_RUNNING":
                await instance_lifecycle.relocate(world, instance)


async def follow_market(world: World, auction: Auction) -> None:
    """Preempts, keeps and allocates bids after a change of price or capacity; the highest limit first."""
    bids = [bid for bid in world.bids.values() if bid.auction is auction]
    for bid in sorted(bids, key=lambda bid: -bid.limit_cents):
        async with bid.lock:
            await _apply_price(world, bid, auction)


def _schedule(world: World, bid: BidRow, delay_s: float, act: Action) -> None:
    """Runs an action later, under the bid's lock, unless the timer was replaced."""

    async def act_under_lock() -> None:
        async with bid.lock:
            if bid.timer is timer:
                await act()

    timer = bid.timer = world.clock.after(delay_s, act_under_lock)


async def _preempt(world: World, bid: BidRow) -> None:
    if bid.status != "Allocated":
        return
    notice_s = world.settings.preempt_notice_s
    bid.set_status("Preempting")
    add_event(world, bid, "Preempted", by_user=False)

    async def end() -> None:
        _release(world, bid)
        wait_for_allocation(world, bid)
        await instance_lifecycle.halt(world, _instances(world, bid), "STATUS_PREEMPTED")

    _schedule(world, bid, notice_s, end)
    for instance in _instances(world, bid):
        await instance_lifecycle.warn(world, instance, "STATUS_PREEMPTING", "Preempting", notice_s)


async def _apply_price(world: World, bid: BidRow, auction: Auction) -> None:
    is_outbid = bid.limit_cents < auction.price_cents
    if bid.status == "Allocated" and is_outbid:
        await _preempt(world, bid)
    elif bid.status == "Preempting" and not is_outbid:
        await _allocate_again(world, bid)
    elif bid.status == "Open" and bid.timer is None:
        await _try_to_allocate(world, bid)
    for instance in _instances(world, bid):
        if instance.is_up:
            instance.set_price(auction.price_cents, world.now)


async def _allocate_again(world: World, bid: BidRow) -> None:
    """Allocates a bid again within its notice."""
    bid.set_status("Allocated")
    add_event(world, bid, "Allocated", by_user=False)
    for instance in _instances(world, bid):
        await instance_lifecycle.keep_or_start(world, instance)


async def _try_to_allocate(world: World, bid: BidRow) -> None:
    auction = bid.auction
    if bid.limit_cents < auction.price_cents or auction.capacity < bid.quantity:
        return
    auction.capacity -= bid.quantity
    auction.allocated_limits[bid.fid] = bid.limit_cents
    bid.set_status("Allocated")
    add_event(world, bid, "Allocated", by_user=False)
    for instance in instance_lifecycle.make_instances(world, bid):
        await instance_lifecycle.start(world, instance)


def _release(world: World, bid: BidRow) -> None:
    """Frees the capacity of a bid for others."""
    auction = bid.auction
    if auction.allocated_limits.pop(bid.fid, None) is not None:
        auction.capacity += bid.quantity
        world.clock.after(0, lambda: follow_market(world, auction))


def _instances(world: World, bid: BidRow) -> list[InstanceRow]:
    return [world.instances[fid] for fid in bid.instances]
