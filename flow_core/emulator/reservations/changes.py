"""Routes that change a reservation: pause, resume, extend, return instances."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.clock import iso_time
from flow_core.emulator.http.parsing import BodyModel, UtcTime, parse_body
from flow_core.emulator.http.responses import ApiError, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.orders.instance_action_routes import UniqueIds
from flow_core.emulator.orders.launch_specification import check_volumes
from flow_core.emulator.reservations import lifecycle
from flow_core.emulator.reservations.availability import HOUR, find_latest_end
from flow_core.emulator.reservations.models import Grant, ReservationRow
from flow_core.emulator.reservations.offers import choose_offer
from flow_core.emulator.reservations.routes import PriceSpecification
from flow_core.emulator.world import World, find_row

routes = Routes()


class UpdateReservation(BodyModel):
    paused: bool | None = None
    volumes: list[str] | None = None


class Extend(BodyModel):
    end_time: UtcTime
    price_specification: PriceSpecification | None = None


class TerminateInstances(BodyModel):
    instances: Annotated[UniqueIds, Field(min_length=1)]
    reduce_capacity: Literal[True]


@routes.patch("/v2/reservation/{reservation_fid}")
async def update(world: World, request: Request) -> Response:
    body = await parse_body(request, UpdateReservation)
    reservation = _find_active_reservation(world, request)
    if body.paused is True and reservation.status == "Pending":
        raise ApiError(400, "Reservation has not begun and can't be paused")
    _check_volumes(world, reservation, body)
    if body.paused is True:
        await lifecycle.pause(world, reservation)
    if body.volumes is not None:
        reservation.launch.volumes = list(body.volumes)
    if body.paused is False:
        await lifecycle.resume(world, reservation)
    return json_response(reservation.as_json())


@routes.get("/v2/reservation/{reservation_fid}/extension-availability")
async def get_extension(world: World, request: Request) -> Response:
    reservation = find_row(world.reservations, request.path_params["reservation_fid"], "Reservation")
    latest = reservation.end_time if reservation.is_over else _latest(world, reservation)
    return json_response(
        {"latest_extension_time": iso_time(latest), "available": latest - reservation.end_time >= HOUR}
    )


@routes.post("/v2/reservation/{reservation_fid}/extend")
async def extend(world: World, request: Request) -> Response:
    body = await parse_body(request, Extend)
    reservation = _find_active_reservation(world, request)
    more = body.end_time - reservation.end_time
    if more < HOUR or more % HOUR:
        raise ApiError(400, "A reservation is extended by whole hours")
    price = body.price_specification or PriceSpecification(offer_key=reservation.grants[-1].terms.key)
    terms = choose_offer(
        world.auction(reservation.instance_type, reservation.region), price.offer_key, price.max_unit_price
    )
    if body.end_time > _latest(world, reservation):
        raise ApiError(400, "Not enough capacity for this extension; ask for its availability")
    reservation.grants.append(
        Grant(world.ids.make("grant"), reservation.end_time, body.end_time, reservation.quantity, terms)
    )
    lifecycle.add_event(world, reservation, "Terms Changed", terms=terms)
    lifecycle.schedule(world, reservation)
    return json_response(reservation.as_json())


@routes.post("/v2/reservation/{reservation_fid}/terminate-instances")
async def terminate_instances(world: World, request: Request) -> Response:
    body = await parse_body(request, TerminateInstances)
    reservation = _find_active_reservation(world, request)
    instances = {fid: world.instances[fid] for fid in reservation.instances}
    returned = [find_row(instances, fid, f"Instance {fid}") for fid in body.instances]
    await lifecycle.return_instances(world, reservation, returned)
    return json_response({"terminated_instances": body.instances})


def _find_active_reservation(world: World, request: Request) -> ReservationRow:
    """Returns the reservation of the path. Raises ApiError if it is unknown or has ended."""
    reservation = find_row(world.reservations, request.path_params["reservation_fid"], "Reservation")
    if reservation.is_over:
        raise ApiError(400, "Reservation has already ended")
    return reservation


def _check_volumes(world: World, reservation: ReservationRow, body: UpdateReservation) -> None:
    if body.volumes is None:
        return
    check_volumes(world, body.volumes, reservation.project, reservation.region, reservation.quantity, reservation.fid)
    is_up = reservation.status == "Active" and body.paused is not True
    if (
        is_up
        and set(body.volumes) != set(reservation.launch.volumes)
        and world.settings.volumes_change_only_while_paused
    ):
        raise ApiError(400, "Volumes can only be changed while the reservation is paused")


def _latest(world: World, reservation: ReservationRow) -> datetime:
    return find_latest_end(
        world,
        world.auction(reservation.instance_type, reservation.region),
        reservation.end_time,
        reservation.quantity,
        reservation,
    )
