"""Bids over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from flow_core.emulator.account.quotas import SPOT, spend
from flow_core.emulator.http.checking import Body, body_of, query_of
from flow_core.emulator.http.idempotency import created, done_before
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.paging import SortedPage, page_of
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders import bidding
from flow_core.emulator.orders.bid_changes import UpdateBid, change_bid, limit_of
from flow_core.emulator.orders.bids import Bid, BidStatus
from flow_core.emulator.orders.launch import LaunchSpecification, launch_of
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


class CreateBid(Body):
    project: str
    region: str
    instance_type: str
    limit_price: str
    instance_quantity: Annotated[int, Field(ge=1)]
    name: str
    launch_specification: LaunchSpecification
    notification_email: str | None = None


class BidsQuery(SortedPage):
    sort_by: Literal["created_at", "status"] | None = None
    project: str | None = None
    instance_type: str | None = None
    region: str | None = None
    status: BidStatus | None = None
    name: str | None = None

    def wants(self, bid: Bid) -> bool:
        names = ("project", "instance_type", "region", "status", "name")
        return all(getattr(self, name) in (None, getattr(bid, name)) for name in names)

    def key(self, bid: Bid) -> tuple[str, float, str]:
        return bid.status if self.sort_by == "status" else "", bid.created_at.timestamp(), bid.fid


@routes.get("/v2/spot/bids")
async def get_bids(world: World, request: Request) -> Answer:
    query = query_of(request, BidsQuery)
    if query.project is not None:
        world.project(query.project)
    rows = filter(query.wants, world.bids.values())
    page, cursor = page_of(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return answer({"data": [bid.as_json() for bid in page], "next_cursor": cursor})


@routes.post("/v2/spot/bids")
async def create_bid(world: World, request: Request) -> Answer:
    if (before := done_before(world, request)) is not None:
        return before
    wanted = body_of(request, CreateBid)
    world.project(wanted.project)
    bid = _bid(world, wanted)
    world.bids[bid.fid] = bid
    bidding.note(world, bid, "Placed", limit_cents=bid.limit_cents)
    bidding.wait_for_allocation(world, bid)
    return created(world, request, bid.as_json)


@routes.get("/v2/spot/bids/{bid_fid}")
async def get_bid(world: World, request: Request) -> Answer:
    return answer(known(world.bids, request["bid_fid"], "Bid").as_json())


@routes.patch("/v2/spot/bids/{bid_fid}")
async def update_bid(world: World, request: Request) -> Answer:
    wanted = body_of(request, UpdateBid)
    bid = known(world.bids, request["bid_fid"], "Bid")
    await change_bid(world, bid, wanted)
    return answer(bid.as_json())


@routes.delete("/v2/spot/bids/{bid_fid}")
async def cancel_bid(world: World, request: Request) -> Answer:
    await bidding.terminate(world, known(world.bids, request["bid_fid"], "Bid"))
    return nothing()


@routes.get("/v2/spot/bids/{bid_fid}/status")
async def get_status(world: World, request: Request) -> Answer:
    bid = known(world.bids, request["bid_fid"], "Bid")
    is_moving = any(world.instances[fid].status == "STATUS_RELOCATING" for fid in bid.instances)
    return answer({"bid_fid": bid.fid, "status": "Relocating" if is_moving else bid.status})


@routes.get("/v2/spot/bids/{bid_fid}/history")
async def get_history(world: World, request: Request) -> Answer:
    bid = known(world.bids, request["bid_fid"], "Bid")
    return answer({"bid_fid": bid.fid, "events": [event.as_json() for event in bid.events]})


def _bid(world: World, wanted: CreateBid) -> Bid:
    """Raises Refusal."""
    auction = world.auction(wanted.instance_type, wanted.region)
    limit_cents = limit_of(wanted.limit_price, auction.offering.minimum_cents)
    if world.settings.bid_names_are_unique:
        _check_name(world, wanted)
    quantity = wanted.instance_quantity
    spend(world, wanted.project, SPOT, wanted.instance_type, quantity)
    return Bid(
        fid=world.fids.make("bid"),
        name=wanted.name,
        project=wanted.project,
        created_by=world.me.fid,
        created_at=world.now,
        instance_type=wanted.instance_type,
        region=wanted.region,
        quantity=quantity,
        launch=launch_of(world, wanted.launch_specification, wanted.project, wanted.region, quantity),
        limit_cents=limit_cents,
    )


def _check_name(world: World, wanted: CreateBid) -> None:
    for bid in world.bids.values():
        if bid.deactivated_at is None and (bid.project, bid.name) == (wanted.project, wanted.name):
            raise Refusal(400, f"Name already used: {wanted.name}")
