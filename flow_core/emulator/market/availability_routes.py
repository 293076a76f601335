"""Routes of the offers: instance types, free capacity in each region, and images."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.parsing import QueryModel, parse_query
from flow_core.emulator.http.responses import json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import CPU_IMAGES, IMAGES, INSTANCE_TYPES
from flow_core.emulator.world import World

routes = Routes()


class RegionQuery(QueryModel):
    region: str


@routes.get("/v2/instance-types")
@routes.get("/v2/reservation/instance-types")
async def get_types(world: World, request: Request) -> Response:
    return json_response([kind.as_json() for kind in INSTANCE_TYPES])


@routes.get("/v2/spot/availability")
async def get_auctions(world: World, request: Request) -> Response:
    return json_response([auction.as_json() for auction in world.auctions.values()])


@routes.get("/v2/image-versions")
async def get_images(world: World, request: Request) -> Response:
    return json_response(IMAGES)


@routes.get("/v2/mcc-image-versions")
async def get_cpu_images(world: World, request: Request) -> Response:
    region = parse_query(request, RegionQuery).region
    return json_response([image for image in CPU_IMAGES if region in image["supported_regions"]])
