"""What instances have been, and have cost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_core.emulator.clock import stamp
from flow_core.emulator.http.checking import Moment, query_of
from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.paging import Page, page_of
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders.instances import Instance

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


class HistoryQuery(Page):
    project: str
    instance_fid: str | None = None
    bid_fid: str | None = None
    reservation_fid: str | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None

    def wants(self, one: Instance) -> bool:
        return (
            one.order.project == self.project
            and self.instance_fid in (None, one.fid)
            and self.bid_fid in (None, one.bid)
            and self.reservation_fid in (None, one.reservation)
        )

    def covers(self, start: datetime, end: datetime | None) -> bool:
        is_over = end is not None and self.start_time is not None and end < self.start_time
        return not is_over and (self.end_time is None or start <= self.end_time)


@routes.get("/v2/instances/status/history")
async def get_statuses(world: World, request: Request) -> Answer:
    def events(query: HistoryQuery, one: Instance) -> list[dict[str, Any]]:
        return [{"timestamp": stamp(at), "status": word} for at, word in one.statuses if query.covers(at, at)]

    return _answer(world, request, events)


@routes.get("/v2/instances/pricing/history")
async def get_prices(world: World, request: Request) -> Answer:
    def events(query: HistoryQuery, one: Instance) -> list[dict[str, Any]]:
        return [price.as_json() for price in one.prices if query.covers(price.start, price.end)]

    return _answer(world, request, events)


def _answer(world: World, request: Request, events: Any) -> Answer:
    query = query_of(request, HistoryQuery)
    world.project(query.project)
    rows = filter(query.wants, world.instances.values())
    page, cursor = page_of(rows, query, world.settings.page_limit, lambda one: (one.created_at.timestamp(), one.fid))
    told = [
        {
            "instance_fid": one.fid,
            "bid_fid": one.bid,
            "reservation_fid": one.reservation,
            "events": events(query, one),
        }
        for one in page
    ]
    return answer({"instances": told, "next_cursor": cursor})
