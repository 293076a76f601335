"""API keys, and the check that a request carries a valid one."""

from __future__ import annotations

import secrets
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.parsing import BodyModel, UtcTime, parse_body
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.rows import ApiKeyRow
from flow_core.emulator.world import World, find_row

routes = Routes()


class CreateApiKey(BodyModel):
    name: str
    expires_at: UtcTime


def create_api_key(world: World, name: str, expires_at: datetime) -> ApiKeyRow:
    """Creates a key that can't be guessed, whatever the seed is."""
    key = ApiKeyRow(world.ids.make("apikey"), name, f"fkey_{secrets.token_hex(20)}", world.now, expires_at)
    world.api_keys[key.fid] = key
    return key


def check_api_key(world: World, request: Request) -> None:
    """Raises ApiError unless the request carries a valid API key."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise ApiError(401, "Not authenticated", www_authenticate="Bearer")
    if not any(_has_secret(key, secret.strip()) and key.is_valid(world.now) for key in world.api_keys.values()):
        raise ApiError(401, "Invalid credentials", www_authenticate="Bearer")


def _has_secret(key: ApiKeyRow, secret: str) -> bool:
    return secrets.compare_digest(key.secret.encode(), secret.encode())


@routes.get("/v2/api-keys")
async def get_keys(world: World, request: Request) -> Response:
    return json_response([key.as_json() for key in world.api_keys.values()])


@routes.post("/v2/api-keys")
async def create_key(world: World, request: Request) -> Response:
    body = await parse_body(request, CreateApiKey)
    if body.expires_at <= world.now:
        raise ApiError(400, "expires_at must be in the future")
    key = create_api_key(world, body.name, body.expires_at)
    return json_response({**key.as_json(), "secret": key.secret}, 201)


@routes.delete("/v2/api-keys/{key_fid}")
async def revoke_key(world: World, request: Request) -> Response:
    key = find_row(world.api_keys, request.path_params["key_fid"], "API key")
    if key.deactivated_at is not None:
        raise ApiError(400, "API key is already revoked")
    key.deactivated_at = world.now
    return no_content()
