"""Requests that are sent twice and done once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flow_core.emulator.http.messages import Answer, Request, answer

if TYPE_CHECKING:
    from flow_core.emulator.world import World


def done_before(world: World, request: Request) -> Answer | None:
    """What came of the same key at the same path, as it is today."""
    key = _key(world, request)
    shown = world.shown_by_key.get(key) if key else None
    return answer(shown(), 201) if shown else None


def created(world: World, request: Request, show: Callable[[], Any]) -> Answer:
    """The answer to a creation, kept under the request's key. `show` is the row as it is whenever it is asked for."""
    if key := _key(world, request):
        world.shown_by_key[key] = show
    return answer(show(), 201)


def _key(world: World, request: Request) -> tuple[str, str] | None:
    key = request.headers.get("idempotency-key", "")
    return (request.path, key) if key and world.settings.honours_idempotency_key else None
