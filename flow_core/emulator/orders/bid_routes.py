"""Routes of bids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.quotas import check_quota
from flow_core.emulator.http.idempotency import find_created, record_created
from flow_core.emulator.http.paging import SortedPageQuery, paginate
from flow_core.emulator.http.parsing import BodyModel, parse_body, parse_query
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import SPOT
from flow_core.emulator.orders import bid_lifecycle
from flow_core.emulator.orders.bid_changes import UpdateBid, change_bid, parse_limit
from flow_core.emulator.orders.bids import BidRow, BidStatus
from flow_core.emulator.orders.launch_specification import LaunchSpecification, create_launch
from flow_core.emulator.world import World, find_row

routes = Routes()


class CreateBid(BodyModel):
    project: str
    region: str
    instance_type: str
    limit_price: str
    instance_quantity: Annotated[int, Field(ge=1)]
    name: str
    launch_specification: LaunchSpecification
    notification_email: str | None = None


class BidsQuery(SortedPageQuery):
    sort_by: Literal["created_at", "status"] | None = None
    project: str | None = None
    instance_type: str | None = None
    region: str | None = None
    status: BidStatus | None = None
    name: str | None = None

    def matches(self, bid: BidRow) -> bool:
        names = ("project", "instance_type", "region", "status", "name")
        return all(getattr(self, name) in (None, getattr(bid, name)) for name in names)

    def key(self, bid: BidRow) -> tuple[str, float, str]:
        return bid.status if self.sort_by == "status" else "", bid.created_at.timestamp(), bid.fid


@routes.get("/v2/spot/bids")
async def get_bids(world: World, request: Request) -> Response:
    query = parse_query(request, BidsQuery)
    if query.project is not None:
        world.project(query.project)
    rows = filter(query.matches, world.bids.values())
    page, cursor = paginate(rows, query, world.settings.page_limit, query.key, query.sort_dir != "asc")
    return json_response({"data": [bid.as_json() for bid in page], "next_cursor": cursor})


@routes.post("/v2/spot/bids")
async def create_bid(world: World, request: Request) -> Response:
    if (before := find_created(world, request)) is not None:
        return before
    body = await parse_body(request, CreateBid)
    world.project(body.project)
    bid = _bid(world, body)
    world.bids[bid.fid] = bid
    bid_lifecycle.add_event(world, bid, "Placed", limit_cents=bid.limit_cents)
    bid_lifecycle.wait_for_allocation(world, bid)
    return record_created(world, request, bid.as_json)


@routes.get("/v2/spot/bids/{bid_fid}")
async def get_bid(world: World, request: Request) -> Response:
    return json_response(find_row(world.bids, request.path_params["bid_fid"], "Bid").as_json())


@routes.patch("/v2/spot/bids/{bid_fid}")
async def update_bid(world: World, request: Request) -> Response:
    body = await parse_body(request, UpdateBid)
    bid = find_row(world.bids, request.path_params["bid_fid"], "Bid")
    await change_bid(world, bid, body)
    return json_response(bid.as_json())


@routes.delete("/v2/spot/bids/{bid_fid}")
async def cancel_bid(world: World, request: Request) -> Response:
    await bid_lifecycle.terminate(world, find_row(world.bids, request.path_params["bid_fid"], "Bid"))
    return no_content()


@routes.get("/v2/spot/bids/{bid_fid}/status")
async def get_status(world: World, request: Request) -> Response:
    bid = find_row(world.bids, request.path_params["bid_fid"], "Bid")
    is_moving = any(world.instances[fid].status == "STATUS_RELOCATING" for fid in bid.instances)
    return json_response({"bid_fid": bid.fid, "status": "Relocating" if is_moving else bid.status})


@routes.get("/v2/spot/bids/{bid_fid}/history")
async def get_history(world: World, request: Request) -> Response:
    bid = find_row(world.bids, request.path_params["bid_fid"], "Bid")
    return json_response({"bid_fid": bid.fid, "events": [event.as_json() for event in bid.events]})


def _bid(world: World, body: CreateBid) -> BidRow:
    """Creates the row of a bid. Raises ApiError."""
    auction = world.auction(body.instance_type, body.region)
    limit_cents = parse_limit(body.limit_price, auction.offering.minimum_cents)
    if world.settings.bid_names_are_unique:
        _check_name(world, body)
    quantity = body.instance_quantity
    check_quota(world, body.project, SPOT, body.instance_type, quantity)
    return BidRow(
        fid=world.ids.make("bid"),
        name=body.name,
        project=body.project,
        created_by=world.me.fid,
        created_at=world.now,
        instance_type=body.instance_type,
        region=body.region,
        quantity=quantity,
        launch=create_launch(world, body.launch_specification, body.project, body.region, quantity),
        auction=auction,
        limit_cents=limit_cents,
    )


def _check_name(world: World, body: CreateBid) -> None:
    for bid in world.bids.values():
        if bid.deactivated_at is None and (bid.project, bid.name) == (body.project, body.name):
            raise ApiError(400, f"Name already used: {body.name}")
