"""The control endpoint, which is no part of the published API: with the same key, JSON there and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import ConfigDict, Field

from flow_core.emulator.control import Control
from flow_core.emulator.faults import Fault
from flow_core.emulator.http.checking import Body, body_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.router import Routes
from flow_core.emulator.orders.instances import Status
from flow_core.emulator.world import World

_LONGEST_JUMP_S = 31 * 86400.0  # with prices that move on the way, a longer one would take minutes
routes = Routes()
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class _Strict(Body):
    model_config = ConfigDict(strict=False, extra="forbid", frozen=True)


class FaultRule(Fault, _Strict):
    """A fault as it comes over the wire."""


class TimeChange(_Strict):
    advance_s: Annotated[float, Field(ge=0, le=_LONGEST_JUMP_S)] = 0.0
    skew_s: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None


class MarketChange(_Strict):
    """Without an instance type, every one of the region."""

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
async def get_faults(world: World, request: Request) -> Answer:
    return answer([rule.model_dump() for rule in world.faults.rules])


@routes.post("/_emulator/faults")
async def add_fault(world: World, request: Request) -> Answer:
    world.faults.add(body_of(request, FaultRule))
    return await get_faults(world, request)


@routes.delete("/_emulator/faults")
async def clear_faults(world: World, request: Request) -> Answer:
    world.faults.clear()
    return nothing()


@routes.patch("/_emulator/settings")
async def change_settings(world: World, request: Request) -> Answer:
    Control(world).change_settings(**body_of(request, SettingsChange).model_dump(exclude_none=True))
    return answer(asdict(world.settings))


@routes.patch("/_emulator/clock")
async def change_clock(world: World, request: Request) -> Answer:
    wanted = body_of(request, TimeChange)
    if wanted.skew_s is not None:
        Control(world).skew(wanted.skew_s)
    await Control(world).advance(wanted.advance_s)
    return nothing()


@routes.patch("/_emulator/market")
async def change_market(world: World, request: Request) -> Answer:
    wanted = body_of(request, MarketChange)
    kinds = [
        kind for kind, region in world.auctions if region == wanted.region and wanted.instance_type in (None, kind)
    ]
    if not kinds:
        raise Refusal(404, "Nothing like that is offered there")
    for kind in kinds:
        if wanted.price_cents is not None:
            await Control(world).set_price(kind, wanted.region, wanted.price_cents)
        if wanted.capacity is not None:
            await Control(world).set_capacity(kind, wanted.region, wanted.capacity)
    return nothing()


@routes.post("/_emulator/bids/{bid_fid}/preempt")
async def preempt(world: World, request: Request) -> Answer:
    await Control(world).preempt(request["bid_fid"])
    return nothing()


@routes.post("/_emulator/bids/{bid_fid}/relocate")
async def relocate(world: World, request: Request) -> Answer:
    await Control(world).relocate(request["bid_fid"])
    return nothing()


@routes.patch("/_emulator/instances/{instance_fid}")
async def set_status(world: World, request: Request) -> Answer:
    Control(world).set_status(request["instance_fid"], body_of(request, StatusChange).status)
    return nothing()
