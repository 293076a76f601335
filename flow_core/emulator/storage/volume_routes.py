"""Volumes over HTTP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from flow_core.emulator.account.quotas import STORAGE, spend
from flow_core.emulator.http.checking import Body, Query, body_of, query_of
from flow_core.emulator.http.idempotency import created, done_before
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer, nothing
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.catalog import REGIONS
from flow_core.emulator.storage.volumes import Volume, as_json
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()
_TWO_PIB_IN_GB = 2 << 20
Name = Annotated[str, Field(max_length=64, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]


class CreateVolume(Body):
    name: Name
    project: str
    disk_interface: Literal["Block", "File"]
    region: str
    size_gb: Annotated[int, Field(gt=0, lt=_TWO_PIB_IN_GB)]


class UpdateVolume(Body):
    name: Name


class VolumesQuery(Query):
    project: str
    region: str | None = None
    include_deleted: bool = False


@routes.get("/v2/volumes")
async def get_volumes(world: World, request: Request) -> Answer:
    query = query_of(request, VolumesQuery)
    world.project(query.project)
    rows = (
        one
        for one in world.volumes.values()
        if one.project == query.project
        and query.region in (None, one.region)
        and (query.include_deleted or one.deleted_at is None)
    )
    return answer([as_json(world, one) for one in rows])


@routes.post("/v2/volumes")
async def create_volume(world: World, request: Request) -> Answer:
    if (before := done_before(world, request)) is not None:
        return before
    wanted = body_of(request, CreateVolume)
    world.project(wanted.project)
    region = next((one for one in REGIONS if one.name == wanted.region), None)
    if region is None:
        raise Refusal(400, f"Region {wanted.region} does not exist")
    if wanted.disk_interface == "File" and not region.has_file_shares:
        raise Refusal(400, f"Region {wanted.region} has no file shares")
    spend(world, wanted.project, STORAGE, None, wanted.size_gb)
    fid = world.fids.make("vol")
    volume = world.volumes[fid] = Volume(
        fid, wanted.name, wanted.project, wanted.region, wanted.disk_interface, wanted.size_gb, world.now
    )
    return created(world, request, partial(as_json, world, volume))


@routes.patch("/v2/volumes/{volume_fid}")
async def update_volume(world: World, request: Request) -> Answer:
    wanted = body_of(request, UpdateVolume)
    volume = _living(world, request["volume_fid"])
    volume.name = wanted.name
    return answer(as_json(world, volume))


@routes.delete("/v2/volumes/{volume_fid}")
async def delete_volume(world: World, request: Request) -> Answer:
    volume = _living(world, request["volume_fid"])
    user = next((one for one in world.living_orders() if volume.fid in one.launch.volumes), None)
    if user is not None:
        raise Refusal(409, f"Volume is in use by {user.fid} and cannot be deleted")
    volume.deleted_at = world.now
    if world.nodes is not None:
        await world.nodes.forget_volume(volume.fid)
    return nothing()


def _living(world: World, fid: str) -> Volume:
    return known({one.fid: one for one in world.volumes.values() if one.deleted_at is None}, fid, "Volume")
