"""The user of the API key, teammates, and projects."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.responses import json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.world import World

routes = Routes()


@routes.get("/v2/me")
async def get_me(world: World, request: Request) -> Response:
    return json_response(world.me.as_me_json())


@routes.get("/v2/me/teammates")
async def get_teammates(world: World, request: Request) -> Response:
    return json_response([user.as_teammate_json() for user in world.users])


@routes.get("/v2/projects")
async def get_projects(world: World, request: Request) -> Response:
    return json_response([project.as_json() for project in world.projects.values()])
