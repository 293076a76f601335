"""Routes of the control endpoint, which is no part of the published API. They take the same key, and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.control import Control
from flow_core.emulator.faults import Fault
from flow_core.emulator.http.parsing import BodyModel, parse_body
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.orders.instances import Status
from flow_core.emulator.world import World

_LONGEST_JUMP_S = 31 * 86400.0  # a longer jump would take minutes if prices move
routes = Routes()
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class _Strict(BodyModel):
    model_config = ConfigDict(strict=False, extra="forbid", frozen=True, defer_build=True)


class FaultRule(Fault, _Strict):
    """A fault as a request carries it."""


class TimeChange(_Strict):
    advance_s: Annotated[float, Field(ge=0, le=_LONGEST_JUMP_S)] = 0.0
    skew_s: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None


class MarketChange(_Strict):
    """A change of one market; without an instance type, of the whole region."""

    region: str
    instance_type: str | None = None
    price_cents: Annotated[int, Field(ge=0)] | None = None
    capacity: Annotated[int, Field(ge=0)] | None = None


class SettingsChange(_Strict):
    seconds_to_allocate: Seconds | None = None
    starting_s: Seconds | None = None
    stopping_s: Seconds | None = None
    preempt_notice_s: Seconds | None = None
    relocating_s: Seconds | None = None
    price_move_s: Seconds | None = None
    page_limit: Annotated[int, Field(ge=1, le=100)] | None = None
    honours_idempotency_key: bool | None = None
    bid_names_are_unique: bool | None = None
    volumes_change_only_while_paused: bool | None = None


class StatusChange(_Strict):
    status: Status


@routes.get("/_emulator/faults")
async def get_faults(world: World, request: Request) -> Response:
    return json_response([rule.model_dump(mode="json") for rule in world.faults.rules])


@routes.post("/_emulator/faults")
async def add_fault(world: World, request: Request) -> Response:
    world.faults.add(await parse_body(request, FaultRule))
    return await get_faults(world, request)


@routes.delete("/_emulator/faults")
async def clear_faults(world: World, request: Request) -> Response:
    world.faults.clear()
    return no_content()


@routes.patch("/_emulator/settings")
async def change_settings(world: World, request: Request) -> Response:
    body = await parse_body(request, SettingsChange)
    Control(world).change_settings(**body.model_dump(exclude_none=True))
    return json_response(asdict(world.settings))


@routes.patch("/_emulator/clock")
async def change_clock(world: World, request: Request) -> Response:
    body = await parse_body(request, TimeChange)
    if body.skew_s is not None:
        Control(world).skew(body.skew_s)
    await Control(world).advance(body.advance_s)
    return no_content()


@routes.patch("/_emulator/market")
async def change_market(world: World, request: Request) -> Response:
    body = await parse_body(request, MarketChange)
    kinds = [kind for kind, region in world.auctions if region == body.region and body.instance_type in (None, kind)]
    if not kinds:
        raise ApiError(404, "Nothing like that is offered there")
    for kind in kinds:
        if body.price_cents is not None:
            await Control(world).set_price(kind, body.region, body.price_cents)
        if body.capacity is not None:
            await Control(world).set_capacity(kind, body.region, body.capacity)
    return no_content()


@routes.post("/_emulator/bids/{bid_fid}/preempt")
async def preempt(world: World, request: Request) -> Response:
    await Control(world).preempt(request.path_params["bid_fid"])
    return no_content()


@routes.post("/_emulator/bids/{bid_fid}/relocate")
async def relocate(world: World, request: Request) -> Response:
    await Control(world).relocate(request.path_params["bid_fid"])
    return no_content()


@routes.patch("/_emulator/instances/{instance_fid}")
async def set_status(world: World, request: Request) -> Response:
    body = await parse_body(request, StatusChange)
    Control(world).set_status(request.path_params["instance_fid"], body.status)
    return no_content()
