"""SSH keys of a project. The private half of a key that the server creates is shown once."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.parsing import BodyModel, QueryModel, parse_body, parse_query
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.rows import SshKeyRow
from flow_core.emulator.world import World, find_row

routes = Routes()
_BITS = 2048


class CreateSshKey(BodyModel):
    project: str
    name: str
    public_key: str | None = None
    required: bool = False


class UpdateSshKey(BodyModel):
    required: bool


class ProjectQuery(QueryModel):
    project: str


@routes.get("/v2/ssh-keys")
async def get_keys(world: World, request: Request) -> Response:
    project = world.project(parse_query(request, ProjectQuery).project)
    return json_response([key.as_json() for key in world.ssh_keys.values() if key.project == project.fid])


@routes.post("/v2/ssh-keys")
async def create_key(world: World, request: Request) -> Response:
    body = await parse_body(request, CreateSshKey)
    world.project(body.project)
    private, public = await asyncio.to_thread(_key_pair) if body.public_key is None else (None, body.public_key)
    if private is None and not _is_public_key(public):
        raise ApiError(400, "Invalid SSH public key")
    if any((key.project, key.name) == (body.project, body.name) for key in world.ssh_keys.values()):
        raise ApiError(400, f"SSH key name already exists: {body.name}")
    fid = world.ids.make("sshkey")
    key = world.ssh_keys[fid] = SshKeyRow(fid, body.name, body.project, public.strip(), world.now, body.required)
    return json_response({**key.as_json(), "private_key": private}, 201)


@routes.patch("/v2/ssh-keys/{ssh_key_fid}")
async def update_key(world: World, request: Request) -> Response:
    body = await parse_body(request, UpdateSshKey)
    key = find_row(world.ssh_keys, request.path_params["ssh_key_fid"], "SSH key")
    if world.me.organization_role != "admin":
        raise ApiError(403, "Only admins can change whether an SSH key is required")
    key.required = body.required
    return json_response(key.as_json())


@routes.delete("/v2/ssh-keys/{ssh_key_fid}")
async def delete_key(world: World, request: Request) -> Response:
    key = find_row(world.ssh_keys, request.path_params["ssh_key_fid"], "SSH key")
    if any(key.fid in order.launch.ssh_keys for order in world.active_orders()):
        raise ApiError(409, "SSH key is used by an active bid or reservation and cannot be deleted")
    del world.ssh_keys[key.fid]
    return no_content()


def _key_pair() -> tuple[str, str]:
    import asyncssh  # lazy import: heavy, and needed only here

    key = asyncssh.generate_private_key("ssh-rsa", key_size=_BITS)
    return key.export_private_key("pkcs1-pem").decode(), key.export_public_key().decode().strip()


def _is_public_key(text: str) -> bool:
    import asyncssh  # lazy import: heavy, and needed only here

    try:
        asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        return False
    return "\n" not in text.strip() and text.startswith(("ssh-", "ecdsa-", "sk-"))
