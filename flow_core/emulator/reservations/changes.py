"""What may be changed of a reservation: paused, extended, given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from flow_core.emulator.clock import stamp
from flow_core.emulator.http.checking import Body, Moment, body_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders.instance_changes import Fids
from flow_core.emulator.orders.launch import check_volumes
from flow_core.emulator.reservations import life
from flow_core.emulator.reservations.availability import HOUR, latest_end
from flow_core.emulator.reservations.offers import chosen
from flow_core.emulator.reservations.routes import PriceSpecification
from flow_core.emulator.reservations.rows import Grant, Reservation
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from datetime import datetime

    from flow_core.emulator.world import World

routes = Routes()


class UpdateReservation(Body):
    paused: bool | None = None
    volumes: list[str] | None = None


class Extend(Body):
    end_time: Moment
    price_specification: PriceSpecification | None = None


class TerminateInstances(Body):
    instances: Annotated[Fids, Field(min_length=1)]
    reduce_capacity: Literal[True]


@routes.patch("/v2/reservation/{reservation_fid}")
async def update(world: World, request: Request) -> Answer:
    wanted = body_of(request, UpdateReservation)
    one = _living(world, request)
    if wanted.paused is True and one.status == "Pending":
        raise Refusal(400, "Reservation has not begun and can't be paused")
    _check_volumes(world, one, wanted)
    if wanted.paused is True:
        await life.pause(world, one)
    if wanted.volumes is not None:
        one.launch.volumes = list(wanted.volumes)
    if wanted.paused is False:
        await life.resume(world, one)
    return answer(one.as_json())


@routes.get("/v2/reservation/{reservation_fid}/extension-availability")
async def get_extension(world: World, request: Request) -> Answer:
    one = known(world.reservations, request["reservation_fid"], "Reservation")
    latest = one.end_time if one.is_over else _latest(world, one)
    return answer({"latest_extension_time": stamp(latest), "available": latest - one.end_time >= HOUR})


@routes.post("/v2/reservation/{reservation_fid}/extend")
async def extend(world: World, request: Request) -> Answer:
    wanted = body_of(request, Extend)
    one = _living(world, request)
    more = wanted.end_time - one.end_time
    if more < HOUR or more % HOUR:
        raise Refusal(400, "A reservation is extended by whole hours")
    price = wanted.price_specification or PriceSpecification(offer_key=one.grants[-1].terms.key)
    terms = chosen(world.auction(one.instance_type, one.region), price.offer_key, price.max_unit_price)
    if wanted.end_time > _latest(world, one):
        raise Refusal(400, "Not enough capacity for this extension; ask for its availability")
    one.grants.append(Grant(world.fids.make("grant"), one.end_time, wanted.end_time, one.quantity, terms))
    life.note(world, one, "Terms Changed", terms=terms)
    life.schedule(world, one)
    return answer(one.as_json())


@routes.post("/v2/reservation/{reservation_fid}/terminate-instances")
async def terminate_instances(world: World, request: Request) -> Answer:
    wanted = body_of(request, TerminateInstances)
    one = _living(world, request)
    theirs = {fid: world.instances[fid] for fid in one.instances}
    gone = [known(theirs, fid, f"Instance {fid}") for fid in wanted.instances]
    await life.give_back(world, one, gone)
    return answer({"terminated_instances": wanted.instances})


def _living(world: World, request: Request) -> Reservation:
    one = known(world.reservations, request["reservation_fid"], "Reservation")
    if one.is_over:
        raise Refusal(400, "Reservation has already ended")
    return one


def _check_volumes(world: World, one: Reservation, wanted: UpdateReservation) -> None:
    if wanted.volumes is None:
        return
    check_volumes(world, wanted.volumes, one.project, one.region, one.quantity, one.fid)
    is_up = one.status == "Active" and wanted.paused is not True
    if is_up and set(wanted.volumes) != set(one.launch.volumes) and world.settings.volumes_change_only_while_paused:
        raise Refusal(400, "Volumes can only be changed while the reservation is paused")


def _latest(world: World, one: Reservation) -> datetime:
    return latest_end(world, world.auction(one.instance_type, one.region), one.end_time, one.quantity, one)
