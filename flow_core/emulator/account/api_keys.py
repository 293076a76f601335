"""API keys, and who is let in with one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_core.emulator.clock import stamp, stamp_or_none
from flow_core.emulator.http.checking import Body, Moment, body_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.router import Routes
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
_SHOWN = 9


@dataclass(slots=True)
class ApiKey:
    fid: str
    name: str
    secret: str
    created_at: datetime
    expires_at: datetime
    deactivated_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        return self.deactivated_at is None and now < self.expires_at

    def as_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "name": self.name,
            "created_at": stamp(self.created_at),
            "expires_at": stamp(self.expires_at),
            "deactivated_at": stamp_or_none(self.deactivated_at),
            "snippet": f"{self.secret[:_SHOWN]}...",
        }


class CreateApiKey(Body):
    name: str
    expires_at: Moment


def make_key(world: World, name: str, expires_at: datetime) -> ApiKey:
    """One that nobody can guess, whatever the seed is."""
    key = ApiKey(world.fids.make("apikey"), name, f"fkey_{secrets.token_hex(20)}", world.now, expires_at)
    world.api_keys[key.fid] = key
    return key


def let_in(world: World, request: Request) -> None:
    """Raises Refusal."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Refusal(401, "Not authenticated", www_authenticate="Bearer")
    if not any(_is(key, secret.strip()) and key.is_good(world.now) for key in world.api_keys.values()):
        raise Refusal(401, "Invalid credentials", www_authenticate="Bearer")


def _is(key: ApiKey, secret: str) -> bool:
    return secrets.compare_digest(key.secret.encode(), secret.encode())


@routes.get("/v2/api-keys")
async def get_keys(world: World, request: Request) -> Answer:
    return answer([key.as_json() for key in world.api_keys.values()])


@routes.post("/v2/api-keys")
async def create_key(world: World, request: Request) -> Answer:
    wanted = body_of(request, CreateApiKey)
    if wanted.expires_at <= world.now:
        raise Refusal(400, "expires_at must be in the future")
    key = make_key(world, wanted.name, wanted.expires_at)
    return answer({**key.as_json(), "secret": key.secret}, 201)


@routes.delete("/v2/api-keys/{key_fid}")
async def revoke_key(world: World, request: Request) -> Answer:
    key = known(world.api_keys, request["key_fid"], "API key")
    if key.deactivated_at is not None:
        raise Refusal(400, "API key is already revoked")
    key.deactivated_at = world.now
    return nothing()
