"""Reservations over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from flow_core.emulator.account.quotas import RESERVATIONS, spend
from flow_core.emulator.clock import stamp
from flow_core.emulator.http.checking import Body, Moment, body_of, query_of
from flow_core.emulator.http.idempotency import created, done_before
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer
from flow_core.emulator.http.paging import SortedPage, page_of
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders.launch import LaunchSpecification, launch_of
from flow_core.emulator.reservations import life
from flow_core.emulator.reservations.availability import GRACE, check_span, is_free
from flow_core.emulator.reservations.offers import STANDARD, chosen
from flow_core.emulator.reservations.rows import Grant, Reservation, ReservationStatus
from flow_core.emulator.reservations.usage import usage_json
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


class PriceSpecification(Body):
    offer_key: str = STANDARD
    max_unit_price: Annotated[int, Field(ge=0)] | None = None


class CreateReservation(Body):
    project: str
    instance_type: str
    region: str
    start_time: Moment
    end_time: Moment
    instance_quantity: Annotated[int, Field(ge=1)]
    name: str
    launch_specification: LaunchSpecification
    price_specification: PriceSpecification | None = None
    notification_email: str | None = None


class ReservationsQuery(SortedPage):
    project: str
    sort_by: Literal["created_at", "status"] | None = None
    instance_type: str | None = None
    region: str | None = None
    status: ReservationStatus | None = None

    def wants(self, one: Reservation) -> bool:
        return (
            one.project == self.project
            and self.instance_type in (None, one.instance_type)
            and self.region in (None, one.region)
            and self.status in (None, one.status)
        )

    def key(self, one: Reservation) -> tuple[str, float, str]:
        return one.status if self.sort_by == "status" else "", one.created_at.timestamp(), one.fid


@routes.get("/v2/reservation")
async def get_reservations(world: World, request: Request) -> Answer:
    query = query_of(request, ReservationsQuery)
    world.project(query.project)
    rows = filter(query.wants, world.reservations.values())
    page, cursor = page_of(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return answer({"data": [one.as_json() for one in page], "next_cursor": cursor})


@routes.post("/v2/reservation")
async def create_reservation(world: World, request: Request) -> Answer:
    if (before := done_before(world, request)) is not None:
        return before
    wanted = body_of(request, CreateReservation)
    world.project(wanted.project)
    reservation = _reserved(world, wanted)
    world.reservations[reservation.fid] = reservation
    life.note(world, reservation, "Placed")
    life.note(world, reservation, "Terms Set", terms=reservation.grants[0].terms)
    life.schedule(world, reservation)
    return created(world, request, reservation.as_json)


@routes.get("/v2/reservation/{reservation_fid}")
async def get_reservation(world: World, request: Request) -> Answer:
    return answer(_known(world, request).as_json())


@routes.get("/v2/reservation/{reservation_fid}/history")
async def get_history(world: World, request: Request) -> Answer:
    reservation = _known(world, request)
    events = [event.as_json() for event in reservation.events]
    return answer({"reservation_fid": reservation.fid, "events": events})


@routes.get("/v2/reservation/{reservation_fid}/usage")
async def get_usage(world: World, request: Request) -> Answer:
    return answer(usage_json(world, _known(world, request)))


def _reserved(world: World, wanted: CreateReservation) -> Reservation:
    """Raises Refusal."""
    auction = world.auction(wanted.instance_type, wanted.region)
    quantity, start, end = wanted.instance_quantity, wanted.start_time, wanted.end_time
    check_span(start, end)
    if start < world.now - GRACE:
        raise Refusal(400, f"start_time {stamp(start)} is in the past")
    price = wanted.price_specification or PriceSpecification()
    terms = chosen(auction, price.offer_key, price.max_unit_price)
    spend(world, wanted.project, RESERVATIONS, wanted.instance_type, quantity)
    if not is_free(world, auction, start, end, quantity):
        raise Refusal(400, "Not enough capacity for this reservation; ask for its availability")
    return Reservation(
        fid=world.fids.make("res"),
        name=wanted.name,
        project=wanted.project,
        created_by=world.me.fid,
        created_at=world.now,
        instance_type=wanted.instance_type,
        region=wanted.region,
        quantity=quantity,
        launch=launch_of(world, wanted.launch_specification, wanted.project, wanted.region, quantity),
        start_time=start,
        grants=[Grant(world.fids.make("grant"), start, end, quantity, terms)],
    )


def _known(world: World, request: Request) -> Reservation:
    return known(world.reservations, request["reservation_fid"], "Reservation")
