"""SSH keys of a project; those that the server makes show their private half once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_core.emulator.clock import stamp
from flow_core.emulator.http.checking import Body, Query, body_of, query_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.router import Routes
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
_BITS = 2048


@dataclass(slots=True)
class SshKey:
    fid: str
    name: str
    project: str
    public_key: str
    created_at: datetime
    required: bool

    def as_json(self) -> dict[str, Any]:
        names = ("fid", "name", "project", "public_key", "required")
        return {**{name: getattr(self, name) for name in names}, "created_at": stamp(self.created_at)}


class CreateSshKey(Body):
    project: str
    name: str
    public_key: str | None = None
    required: bool = False


class UpdateSshKey(Body):
    required: bool


class OfProject(Query):
    project: str


@routes.get("/v2/ssh-keys")
async def get_keys(world: World, request: Request) -> Answer:
    project = world.project(query_of(request, OfProject).project)
    return answer([key.as_json() for key in world.ssh_keys.values() if key.project == project.fid])


@routes.post("/v2/ssh-keys")
async def create_key(world: World, request: Request) -> Answer:
    wanted = body_of(request, CreateSshKey)
    world.project(wanted.project)
    private, public = await asyncio.to_thread(_pair) if wanted.public_key is None else (None, wanted.public_key)
    if private is None and not _is_public_key(public):
        raise Refusal(400, "Invalid SSH public key")
    if any((key.project, key.name) == (wanted.project, wanted.name) for key in world.ssh_keys.values()):
        raise Refusal(400, f"SSH key name already exists: {wanted.name}")
    fid = world.fids.make("sshkey")
    key = world.ssh_keys[fid] = SshKey(fid, wanted.name, wanted.project, public.strip(), world.now, wanted.required)
    return answer({**key.as_json(), "private_key": private}, 201)


@routes.patch("/v2/ssh-keys/{ssh_key_fid}")
async def update_key(world: World, request: Request) -> Answer:
    wanted = body_of(request, UpdateSshKey)
    key = known(world.ssh_keys, request["ssh_key_fid"], "SSH key")
    if world.me.organization_role != "admin":
        raise Refusal(403, "Only admins can change whether an SSH key is required")
    key.required = wanted.required
    return answer(key.as_json())


@routes.delete("/v2/ssh-keys/{ssh_key_fid}")
async def delete_key(world: World, request: Request) -> Answer:
    key = known(world.ssh_keys, request["ssh_key_fid"], "SSH key")
    if any(key.fid in order.launch.ssh_keys for order in world.living_orders()):
        raise Refusal(409, "SSH key is used by an active bid or reservation and cannot be deleted")
    del world.ssh_keys[key.fid]
    return nothing()


def _pair() -> tuple[str, str]:
    import asyncssh  # deferred: only those who have no key need it

    key = asyncssh.generate_private_key("ssh-rsa", key_size=_BITS)
    return key.export_private_key("pkcs1-pem").decode(), key.export_public_key().decode().strip()


def _is_public_key(text: str) -> bool:
    import asyncssh  # deferred: as above

    try:
        asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        return False
    return "\n" not in text.strip() and text.startswith(("ssh-", "ecdsa-", "sk-"))
