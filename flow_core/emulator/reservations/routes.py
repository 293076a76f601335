"""Routes of reservations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.quotas import check_quota
from flow_core.emulator.clock import iso_time
from flow_core.emulator.http.idempotency import find_created, record_created
from flow_core.emulator.http.paging import SortedPageQuery, paginate
from flow_core.emulator.http.parsing import BodyModel, UtcTime, parse_body, parse_query
from flow_core.emulator.http.responses import ApiError, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import RESERVATIONS
from flow_core.emulator.orders.launch_specification import LaunchSpecification, create_launch
from flow_core.emulator.reservations import lifecycle
from flow_core.emulator.reservations.availability import GRACE, check_span, is_free
from flow_core.emulator.reservations.models import Grant, ReservationRow, ReservationStatus
from flow_core.emulator.reservations.offers import STANDARD, choose_offer
from flow_core.emulator.reservations.usage import usage_json
from flow_core.emulator.world import World, find_row

routes = Routes()


class PriceSpecification(BodyModel):
    offer_key: str = STANDARD
    max_unit_price: Annotated[int, Field(ge=0)] | None = None


class CreateReservation(BodyModel):
    project: str
    instance_type: str
    region: str
    start_time: UtcTime
    end_time: UtcTime
    instance_quantity: Annotated[int, Field(ge=1)]
    name: str
    launch_specification: LaunchSpecification
    price_specification: PriceSpecification | None = None
    notification_email: str | None = None


class ReservationsQuery(SortedPageQuery):
    project: str
    sort_by: Literal["created_at", "status"] | None = None
    instance_type: str | None = None
    region: str | None = None
    status: ReservationStatus | None = None

    def matches(self, reservation: ReservationRow) -> bool:
        return (
            reservation.project == self.project
            and self.instance_type in (None, reservation.instance_type)
            and self.region in (None, reservation.region)
            and self.status in (None, reservation.status)
        )

    def key(self, reservation: ReservationRow) -> tuple[str, float, str]:
        return (
            reservation.status if self.sort_by == "status" else "",
            reservation.created_at.timestamp(),
            reservation.fid,
        )


@routes.get("/v2/reservation")
async def get_reservations(world: World, request: Request) -> Response:
    query = parse_query(request, ReservationsQuery)
    world.project(query.project)
    rows = filter(query.matches, world.reservations.values())
    page, cursor = paginate(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return json_response({"data": [reservation.as_json() for reservation in page], "next_cursor": cursor})


@routes.post("/v2/reservation")
async def create_reservation(world: World, request: Request) -> Response:
    if (before := find_created(world, request)) is not None:
        return before
    body = await parse_body(request, CreateReservation)
    world.project(body.project)
    reservation = _create_row(world, body)
    world.reservations[reservation.fid] = reservation
    lifecycle.add_event(world, reservation, "Placed")
    lifecycle.add_event(world, reservation, "Terms Set", terms=reservation.grants[0].terms)
    lifecycle.schedule(world, reservation)
    return record_created(world, request, reservation.as_json)


@routes.get("/v2/reservation/{reservation_fid}")
async def get_reservation(world: World, request: Request) -> Response:
    return json_response(_find_reservation(world, request).as_json())


@routes.get("/v2/reservation/{reservation_fid}/history")
async def get_history(world: World, request: Request) -> Response:
    reservation = _find_reservation(world, request)
    events = [event.as_json() for event in reservation.events]
    return json_response({"reservation_fid": reservation.fid, "events": events})


@routes.get("/v2/reservation/{reservation_fid}/usage")
async def get_usage(world: World, request: Request) -> Response:
    return json_response(usage_json(world, _find_reservation(world, request)))


def _create_row(world: World, body: CreateReservation) -> ReservationRow:
    """Creates the row of a reservation. Raises ApiError."""
    auction = world.auction(body.instance_type, body.region)
    quantity, start, end = body.instance_quantity, body.start_time, body.end_time
    check_span(start, end)
    if start < world.now - GRACE:
        raise ApiError(400, f"start_time {iso_time(start)} is in the past")
    price = body.price_specification or PriceSpecification()
    terms = choose_offer(auction, price.offer_key, price.max_unit_price)
    check_quota(world, body.project, RESERVATIONS, body.instance_type, quantity)
    if not is_free(world, auction, start, end, quantity):
        raise ApiError(400, "Not enough capacity for this reservation; ask for its availability")
    return ReservationRow(
        fid=world.ids.make("res"),
        name=body.name,
        project=body.project,
        created_by=world.me.fid,
        created_at=world.now,
        instance_type=body.instance_type,
        region=body.region,
        quantity=quantity,
        launch=create_launch(world, body.launch_specification, body.project, body.region, quantity),
        start_time=start,
        grants=[Grant(world.ids.make("grant"), start, end, quantity, terms)],
    )


def _find_reservation(world: World, request: Request) -> ReservationRow:
    return find_row(world.reservations, request.path_params["reservation_fid"], "Reservation")
