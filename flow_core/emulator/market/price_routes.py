"""Routes of prices: the current ones, and their history."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.clock import iso_time
from flow_core.emulator.http.parsing import QueryModel, UtcTime, parse_query
from flow_core.emulator.http.responses import json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.auctions import Auction
from flow_core.emulator.market.catalog import TYPES_BY_FID
from flow_core.emulator.money import format_dollars
from flow_core.emulator.world import World, find_row

routes = Routes()
_ALL = -1
Points = Sequence[tuple[datetime, int]]


class CurrentQuery(QueryModel):
    instance_type: str
    region: str | None = None
    instance_quantity: Annotated[int, Field(ge=1, le=256)] = 1


class PriceHistoryQuery(QueryModel):
    instance_types: str | None = None
    region: str | None = None
    num_samples: Annotated[int, Field(ge=_ALL, le=1000)] = 100
    start_time: UtcTime | None = None
    end_time: UtcTime | None = None


@routes.get("/v2/pricing/current")
async def get_current(world: World, request: Request) -> Response:
    query = parse_query(request, CurrentQuery)
    find_row(TYPES_BY_FID, query.instance_type, "Instance type")
    auctions = _auctions(world, {query.instance_type}, query.region)
    lowest = [cents for auction in auctions if (cents := auction.lowest_allocated_cents) is not None]
    free = sum(auction.capacity for auction in auctions)
    spot = _lowest(auction.price_cents for auction in auctions)
    return json_response(
        {
            "spot_price_cents": spot,
            "reserved_price_cents": _lowest(auction.offering.reserved_cents for auction in auctions),
            "minimum_price_cents": _lowest(auction.offering.minimum_cents for auction in auctions),
            "lowest_allocated_bid_cents": _lowest(lowest),
            "dynamic_win_price_cents": spot if free >= query.instance_quantity else _lowest(c + 1 for c in lowest),
            "available_capacity": free if auctions else None,
            "total_capacity": sum(auction.offering.capacity for auction in auctions) if auctions else None,
        }
    )


@routes.get("/v2/pricing/history")
async def get_history(world: World, request: Request) -> Response:
    query = parse_query(request, PriceHistoryQuery)
    kinds = None if query.instance_types is None else {one.strip() for one in query.instance_types.split(",")}
    series, complete = [], True
    for auction in _auctions(world, kinds, query.region):
        points = _select_period(auction.prices, query.start_time, query.end_time)
        shown = points if query.num_samples == _ALL else _sample(points, query.num_samples)
        complete = complete and len(shown) == len(points)
        series.append(_series(auction, shown))
    return json_response({"series": series, "complete": complete})


def _auctions(world: World, kinds: set[str] | None, region: str | None) -> list[Auction]:
    return [
        auction
        for (kind, where), auction in world.auctions.items()
        if (kinds is None or kind in kinds) and region in (None, where)
    ]


def _lowest(values: Any) -> int | None:
    return min(values, default=None)


def _select_period(points: Points, start: datetime | None, end: datetime | None) -> Points:
    """Returns the points of a period, and the one before it, whose price held at the start."""
    times = [at for at, _ in points]
    first = 0 if start is None else max(bisect_right(times, start) - 1, 0)
    last = len(times) if end is None else bisect_right(times, end)
    return points[first:last]


def _sample(points: Points, most: int) -> Points:
    """Returns at most `most` points, evenly chosen, with the first and the last."""
    if len(points) <= most:
        return points
    if most < 2:
        return points[len(points) - most :]
    return [points[index * (len(points) - 1) // (most - 1)] for index in range(most)]


def _series(auction: Auction, points: Points) -> dict[str, Any]:
    return {
        "instance_type": auction.offering.instance_type,
        "region": auction.offering.region,
        "timestamps": [iso_time(at) for at, _ in points],
        "spot_prices": [format_dollars(cents) for _, cents in points],
        "reserved_prices": [format_dollars(auction.offering.reserved_cents) for _ in points],
        "region_disabled": False,
    }
