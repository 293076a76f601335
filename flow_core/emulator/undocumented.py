"""Routes that clients of the platform call but the published description does not have."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.quotas import quota_rows
from flow_core.emulator.http.responses import ApiError, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import REGIONS
from flow_core.emulator.rows import UserRow
from flow_core.emulator.world import World

routes = Routes()


@routes.get("/marketplace/v1/regions")
async def get_regions(world: World, request: Request) -> Response:
    return json_response(
        [
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, region.name)),
                "name": region.name,
                "block_storage_enabled": True,
                "fileshare_storage_enabled": region.has_file_shares,
                "k8s_enabled": True,
                "max_volume_size_tb": 32,
                "max_volume_name_length": 64,
            }
            for region in REGIONS
        ]
    )


@routes.get("/v2/cpu/instance-types")
@routes.get("/v2/cpu/regions")
async def get_cpu_offers(world: World, request: Request) -> Response:
    """Returns an empty list: this platform rents GPUs only."""
    return json_response([])


@routes.get("/users/{user}/teammates")
async def get_teammates(world: World, request: Request) -> Response:
    _find_user(world, request.path_params["user"])
    return json_response([user.as_teammate_json() for user in world.users])


@routes.get("/v2/users/{user}")
async def get_user(world: World, request: Request) -> Response:
    return json_response(_find_user(world, request.path_params["user"]).as_me_json())


@routes.get("/v2/organizations/{organization}/quotas")
async def get_quotas(world: World, request: Request) -> Response:
    if request.path_params["organization"] != world.me.organization_id:
        raise ApiError(404, "Organization not found")
    return json_response([row for project in world.projects for row in quota_rows(world, project)])


def _find_user(world: World, name: str) -> UserRow:
    """Finds a user by uuid, by fid, or by the fid without its prefix."""
    for user in world.users:
        if name in (user.id, user.fid, user.fid.removeprefix("user_")):
            return user
    raise ApiError(404, "User not found")
