"""Idempotency keys: a request that is sent twice creates one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.responses import json_response
from flow_core.emulator.world import World


def find_created(world: World, request: Request) -> Response | None:
    """Returns the response to an earlier request with the same key and path, with the current row; None if none."""
    key = _key(world, request)
    as_json = world.created_by_key.get(key) if key else None
    return json_response(as_json(), 201) if as_json else None


def record_created(world: World, request: Request, as_json: Callable[[], Any]) -> Response:
    """Returns the response to a creation and records it for the request's key. `as_json` returns the current row."""
    if key := _key(world, request):
        world.created_by_key[key] = as_json
    return json_response(as_json(), 201)


def _key(world: World, request: Request) -> tuple[str, str] | None:
    key = request.headers.get("idempotency-key", "")
    return (request.scope["path"], key) if key and world.settings.honours_idempotency_key else None
