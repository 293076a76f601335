"""What there is to be had: types, and what each auction has of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.emulator.http.messages import Answer, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.catalog import INSTANCE_TYPES

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


@routes.get("/v2/instance-types")
@routes.get("/v2/reservation/instance-types")
async def get_types(world: World, request: Request) -> Answer:
    return answer([kind.as_json() for kind in INSTANCE_TYPES])


@routes.get("/v2/spot/availability")
async def get_auctions(world: World, request: Request) -> Answer:
    return answer([auction.as_json() for auction in world.auctions.values()])
