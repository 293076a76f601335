"""Free capacity for reservations over time: a pool for each auction, apart from the spot market."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.clock import iso_time
from flow_core.emulator.http.parsing import QueryModel, UtcTime, parse_query
from flow_core.emulator.http.responses import ApiError, invalid_field, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.reservations.models import ReservationRow
from flow_core.emulator.reservations.offers import list_offers
from flow_core.emulator.world import World

routes = Routes()
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=5)  # a request names its "now" a little later
SHORTEST, LONGEST = timedelta(hours=3), timedelta(days=14)
Slot = tuple[datetime, datetime, int]


class QuoteQuery(QueryModel):
    project: str
    instance_type: str
    region: str
    start_time: UtcTime
    end_time: UtcTime
    quantity: Annotated[int, Field(ge=1)]


class AvailabilityQuery(QueryModel):
    project: str
    instance_type: str
    region: str
    mode: Literal["slots", "latest_end_time", "check"] = "latest_end_time"
    earliest_start_time: UtcTime | None = None
    latest_end_time: UtcTime | None = None
    start_time: UtcTime | None = None
    end_time: UtcTime | None = None
    quantity: Annotated[int, Field(gt=0)] | None = None

    def given(self, *names: str) -> tuple[Any, ...]:
        """Returns the values of these fields. Raises ApiError for a missing field."""
        for name in names:
            if getattr(self, name) is None:
                raise invalid_field(("query", name), f"Field required in mode {self.mode}", "missing")
        return tuple(getattr(self, name) for name in names)


@routes.get("/v2/reservation/quote")
async def get_quote(world: World, request: Request) -> Response:
    query = parse_query(request, QuoteQuery)
    world.project(query.project)
    auction = world.auction(query.instance_type, query.region)
    check_span(query.start_time, query.end_time)
    instance_hours = (query.end_time - query.start_time) / HOUR * query.quantity
    return json_response({"offers": [offer.as_json(instance_hours) for offer in list_offers(auction)]})


@routes.get("/v2/reservation/availability")
async def get_availability(world: World, request: Request) -> Response:
    query = parse_query(request, AvailabilityQuery)
    world.project(query.project)
    auction = world.auction(query.instance_type, query.region)
    if query.mode == "slots":
        start, end = query.given("earliest_start_time", "latest_end_time")
        # A client requests slots from its own "now" on, which is a little earlier. Don't cut the slots at this moment.
        start = start if start >= world.now - GRACE else world.now
        rows = [(a, b, free) for a, b, free in free_slots(world, auction, start, end) if free] if start < end else []
        return json_response(
            [{"start_time": iso_time(a), "end_time": iso_time(b), "quantity": free} for a, b, free in rows]
        )
    if query.mode == "check":
        start, end, quantity = query.given("start_time", "end_time", "quantity")
        return json_response({"available": is_free(world, auction, start, end, quantity)})
    start, quantity = query.given("start_time", "quantity")
    latest = find_latest_end(world, auction, start, quantity)
    return json_response({"latest_end_time": iso_time(latest), "available": latest - start >= SHORTEST})


def check_span(start: datetime, end: datetime) -> None:
    """Raises ApiError for a period that can't be reserved."""
    if not SHORTEST <= end - start <= LONGEST or (end - start) % HOUR:
        raise ApiError(400, "A reservation takes between 3 hours and 14 days, in steps of one hour")


def is_free(world: World, auction: Auction, start: datetime, end: datetime, quantity: int) -> bool:
    return start < end and all(free >= quantity for _, _, free in free_slots(world, auction, start, end))


def find_latest_end(
    world: World, auction: Auction, start: datetime, quantity: int, without: ReservationRow | None = None
) -> datetime:
    """Returns the latest end of a reservation that begins at `start`; `start` itself if nothing is free then."""
    latest = start
    for _, end, free in free_slots(world, auction, start, _add_span(start, LONGEST), without):
        if free < quantity:
            break
        latest = end
    return latest


def free_slots(
    world: World, auction: Auction, start: datetime, end: datetime, without: ReservationRow | None = None
) -> list[Slot]:
    """Returns the periods between two changes of free capacity, each with that capacity."""
    taken = [
        (one.start_time, one.end_time, one.quantity)
        for one in world.reservations.values()
        if (one.instance_type, one.region) == (auction.offering.instance_type, auction.offering.region)
        and one.deactivated_at is None
        and one is not without
    ]
    marks = sorted({start, end, *(mark for a, b, _ in taken for mark in (a, b) if start < mark < end)})
    whole = auction.offering.capacity
    return [
        (a, b, max(0, whole - sum(quantity for since, until, quantity in taken if since < b and a < until)))
        for a, b in pairwise(marks)
        if a < b
    ]


def _add_span(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment + span
    except OverflowError:
        return moment
