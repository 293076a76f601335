"""Routes of instances: their list, their status, and the histories of status and price."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.clock import iso_time
from flow_core.emulator.http.paging import PageQuery, SortedPageQuery, paginate
from flow_core.emulator.http.parsing import UtcTime, parse_query
from flow_core.emulator.http.responses import json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.orders.instances import InstanceRow, Status
from flow_core.emulator.world import World, find_row

routes = Routes()


class InstancesQuery(SortedPageQuery):
    arrays: ClassVar[tuple[str, ...]] = ("status_in", "order_type_in", "bid_fid_in", "reservation_fid_in")
    project: str
    sort_by: Literal["created_at", "instance_status", "instance_type_fid"] | None = None
    instance_type: str | None = None
    region: str | None = None
    status_in: list[Status] | None = None
    order_type_in: list[Literal["Bid", "Reservation"]] | None = None
    bid_fid_in: list[str] | None = None
    reservation_fid_in: list[str] | None = None

    def matches(self, instance: InstanceRow) -> bool:
        order_type = "Bid" if instance.bid else "Reservation"
        return (
            instance.order.project == self.project
            and self.instance_type in (None, instance.order.instance_type)
            and self.region in (None, instance.order.region)
            and (self.status_in is None or instance.status in self.status_in)
            and (self.order_type_in is None or order_type in self.order_type_in)
            and (self.bid_fid_in is None or instance.bid in self.bid_fid_in)
            and (self.reservation_fid_in is None or instance.reservation in self.reservation_fid_in)
        )

    def key(self, instance: InstanceRow) -> tuple[str, float, str]:
        words = {"instance_status": instance.status, "instance_type_fid": instance.order.instance_type}
        return words.get(self.sort_by or "", ""), instance.created_at.timestamp(), instance.fid


class InstanceHistoryQuery(PageQuery):
    project: str
    instance_fid: str | None = None
    bid_fid: str | None = None
    reservation_fid: str | None = None
    start_time: UtcTime | None = None
    end_time: UtcTime | None = None

    def matches(self, instance: InstanceRow) -> bool:
        return (
            instance.order.project == self.project
            and self.instance_fid in (None, instance.fid)
            and self.bid_fid in (None, instance.bid)
            and self.reservation_fid in (None, instance.reservation)
        )

    def covers(self, start: datetime, end: datetime | None) -> bool:
        is_over = end is not None and self.start_time is not None and end < self.start_time
        return not is_over and (self.end_time is None or start <= self.end_time)


@routes.get("/v2/instances")
async def get_instances(world: World, request: Request) -> Response:
    query = parse_query(request, InstancesQuery)
    world.project(query.project)
    rows = filter(query.matches, world.instances.values())
    page, cursor = paginate(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return json_response({"data": [instance.as_json() for instance in page], "next_cursor": cursor})


@routes.get("/v2/instances/{instance_fid}/status")
async def get_status(world: World, request: Request) -> Response:
    return json_response(find_row(world.instances, request.path_params["instance_fid"], "Instance").status_json())


@routes.get("/v2/instances/status/history")
async def get_statuses(world: World, request: Request) -> Response:
    def events(query: InstanceHistoryQuery, instance: InstanceRow) -> list[dict[str, Any]]:
        return [{"timestamp": iso_time(at), "status": word} for at, word in instance.statuses if query.covers(at, at)]

    return _history(world, request, events)


@routes.get("/v2/instances/pricing/history")
async def get_prices(world: World, request: Request) -> Response:
    def events(query: InstanceHistoryQuery, instance: InstanceRow) -> list[dict[str, Any]]:
        return [price.as_json() for price in instance.prices if query.covers(price.start, price.end)]

    return _history(world, request, events)


def _history(world: World, request: Request, events: Any) -> Response:
    query = parse_query(request, InstanceHistoryQuery)
    world.project(query.project)
    found = filter(query.matches, world.instances.values())
    page, cursor = paginate(
        found, query, world.settings.page_limit, lambda instance: (instance.created_at.timestamp(), instance.fid)
    )
    rows = [
        {
            "instance_fid": instance.fid,
            "bid_fid": instance.bid,
            "reservation_fid": instance.reservation,
            "events": events(query, instance),
        }
        for instance in page
    ]
    return json_response({"instances": rows, "next_cursor": cursor})
