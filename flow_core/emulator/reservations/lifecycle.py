"""The lifecycle of a reservation: it starts at its time, is paused and resumed, shrinks, and ends."""

from __future__ import annotations

from typing import Literal

from flow_core.emulator.orders import instance_lifecycle
from flow_core.emulator.orders.instances import InstanceRow
from flow_core.emulator.reservations.models import ReservationEvent, ReservationEventType, ReservationRow
from flow_core.emulator.reservations.offers import ReservationOffer
from flow_core.emulator.world import World


def add_event(
    world: World,
    reservation: ReservationRow,
    kind: ReservationEventType,
    *,
    by_user: bool = True,
    terms: ReservationOffer | None = None,
) -> None:
    user = world.me.fid if by_user else None
    reservation.events.append(ReservationEvent(world.now, kind, user, terms))


def schedule(world: World, reservation: ReservationRow) -> None:
    """Sets the timer of the next change: the start, or the end."""
    if reservation.timer is not None:
        reservation.timer.cancel()
    is_pending = reservation.status == "Pending"
    moment = reservation.start_time if is_pending else reservation.end_time

    async def act() -> None:
        async with reservation.lock:
            if reservation.timer is timer:
                await (_begin(world, reservation) if is_pending else _end(world, reservation, "Ended"))

    timer = reservation.timer = world.clock.after(max(0.0, (moment - world.now).total_seconds()), act)


async def pause(world: World, reservation: ReservationRow) -> None:
    """Pauses a reservation. Does nothing unless it is active. Calling it again is safe."""
    async with reservation.lock:
        if reservation.status != "Active":
            return
        reservation.status = "Paused"
        reservation.pauses.append((world.now, None))
        add_event(world, reservation, "Paused")
        await instance_lifecycle.halt(world, _instances(world, reservation), "STATUS_PAUSED")


async def resume(world: World, reservation: ReservationRow) -> None:
    """Resumes a paused reservation. Calling it again is safe."""
    async with reservation.lock:
        if reservation.status != "Paused":
            return
        reservation.status = "Active"
        _end_pause(world, reservation)
        add_event(world, reservation, "Resumed")
        for instance in _instances(world, reservation):
            await instance_lifecycle.start(world, instance)


async def return_instances(world: World, reservation: ReservationRow, instances: list[InstanceRow]) -> None:
    """Gives instances back for good. The reservation ends when it has none left. Calling it again is safe."""
    async with reservation.lock:
        for instance in instances:
            if instance.is_gone:
                continue
            await instance_lifecycle.halt(world, [instance], "STATUS_TERMINATED", keeps_disk=False)
            for grant in reservation.grants:
                grant.returns.append(world.now)
        reservation.instances = [fid for fid in reservation.instances if not world.instances[fid].is_gone]
        reservation.quantity = len(reservation.instances)
        if not reservation.instances and not reservation.is_over:
            await _end(world, reservation, "Canceled")


def _instances(world: World, reservation: ReservationRow) -> list[InstanceRow]:
    return [world.instances[fid] for fid in reservation.instances]


async def _begin(world: World, reservation: ReservationRow) -> None:
    reservation.status = "Active"
    add_event(world, reservation, "Active", by_user=False)
    schedule(world, reservation)
    for instance in instance_lifecycle.make_instances(world, reservation):
        await instance_lifecycle.start(world, instance)


async def _end(world: World, reservation: ReservationRow, kind: Literal["Canceled", "Ended"]) -> None:
    if reservation.timer is not None:
        reservation.timer.cancel()
    reservation.status = kind
    reservation.deactivated_at = world.now
    _end_pause(world, reservation)
    add_event(world, reservation, kind, by_user=kind == "Canceled")
    await instance_lifecycle.halt(world, _instances(world, reservation), "STATUS_TERMINATED", keeps_disk=False)


def _end_pause(world: World, reservation: ReservationRow) -> None:
    if reservation.pauses and reservation.pauses[-1][1] is None:
        reservation.pauses[-1] = (reservation.pauses[-1][0], world.now)
