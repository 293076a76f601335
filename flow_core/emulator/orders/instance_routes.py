"""Instances over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from flow_core.emulator.http.checking import query_of
from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.paging import SortedPage, page_of
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders.instances import Instance, Status
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


class InstancesQuery(SortedPage):
    arrays: ClassVar[tuple[str, ...]] = ("status_in", "order_type_in", "bid_fid_in", "reservation_fid_in")
    project: str
    sort_by: Literal["created_at", "instance_status", "instance_type_fid"] | None = None
    instance_type: str | None = None
    region: str | None = None
    status_in: list[Status] | None = None
    order_type_in: list[Literal["Bid", "Reservation"]] | None = None
    bid_fid_in: list[str] | None = None
    reservation_fid_in: list[str] | None = None

    def wants(self, one: Instance) -> bool:
        order_type = "Bid" if one.bid else "Reservation"
        return (
            one.order.project == self.project
            and self.instance_type in (None, one.order.instance_type)
            and self.region in (None, one.order.region)
            and (self.status_in is None or one.status in self.status_in)
            and (self.order_type_in is None or order_type in self.order_type_in)
            and (self.bid_fid_in is None or one.bid in self.bid_fid_in)
            and (self.reservation_fid_in is None or one.reservation in self.reservation_fid_in)
        )

    def key(self, one: Instance) -> tuple[str, float, str]:
        words = {"instance_status": one.status, "instance_type_fid": one.order.instance_type}
        return words.get(self.sort_by or "", ""), one.created_at.timestamp(), one.fid


@routes.get("/v2/instances")
async def get_instances(world: World, request: Request) -> Answer:
    query = query_of(request, InstancesQuery)
    world.project(query.project)
    rows = filter(query.wants, world.instances.values())
    page, cursor = page_of(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return answer({"data": [one.as_json() for one in page], "next_cursor": cursor})


@routes.get("/v2/instances/{instance_fid}/status")
async def get_status(world: World, request: Request) -> Answer:
    return answer(known(world.instances, request["instance_fid"], "Instance").status_json())
