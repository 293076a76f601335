"""Routes of volumes."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.account.quotas import check_quota
from flow_core.emulator.clock import iso_time, iso_time_or_none
from flow_core.emulator.http.idempotency import find_created, record_created
from flow_core.emulator.http.parsing import BodyModel, QueryModel, parse_body, parse_query
from flow_core.emulator.http.responses import ApiError, json_response, no_content
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import REGIONS, STORAGE
from flow_core.emulator.rows import VolumeRow
from flow_core.emulator.world import World, find_row

routes = Routes()
_TWO_PIB_IN_GB = 2 << 20
Name = Annotated[str, Field(max_length=64, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]


class CreateVolume(BodyModel):
    name: Name
    project: str
    disk_interface: Literal["Block", "File"]
    region: str
    size_gb: Annotated[int, Field(gt=0, lt=_TWO_PIB_IN_GB)]


class UpdateVolume(BodyModel):
    name: Name


class VolumesQuery(QueryModel):
    project: str
    region: str | None = None
    include_deleted: bool = False


@routes.get("/v2/volumes")
async def get_volumes(world: World, request: Request) -> Response:
    query = parse_query(request, VolumesQuery)
    world.project(query.project)
    rows = (
        one
        for one in world.volumes.values()
        if one.project == query.project
        and query.region in (None, one.region)
        and (query.include_deleted or one.deleted_at is None)
    )
    return json_response([_as_json(world, one) for one in rows])


@routes.post("/v2/volumes")
async def create_volume(world: World, request: Request) -> Response:
    if (before := find_created(world, request)) is not None:
        return before
    body = await parse_body(request, CreateVolume)
    world.project(body.project)
    region = next((one for one in REGIONS if one.name == body.region), None)
    if region is None:
        raise ApiError(400, f"Region {body.region} does not exist")
    if body.disk_interface == "File" and not region.has_file_shares:
        raise ApiError(400, f"Region {body.region} has no file shares")
    check_quota(world, body.project, STORAGE, None, body.size_gb)
    fid = world.ids.make("vol")
    volume = world.volumes[fid] = VolumeRow(
        fid, body.name, body.project, body.region, body.disk_interface, body.size_gb, world.now
    )
    return record_created(world, request, partial(_as_json, world, volume))


@routes.patch("/v2/volumes/{volume_fid}")
async def update_volume(world: World, request: Request) -> Response:
    body = await parse_body(request, UpdateVolume)
    volume = _find_volume(world, request.path_params["volume_fid"])
    volume.name = body.name
    return json_response(_as_json(world, volume))


@routes.delete("/v2/volumes/{volume_fid}")
async def delete_volume(world: World, request: Request) -> Response:
    volume = _find_volume(world, request.path_params["volume_fid"])
    user = next((one for one in world.active_orders() if volume.fid in one.launch.volumes), None)
    if user is not None:
        raise ApiError(409, f"Volume is in use by {user.fid} and cannot be deleted")
    volume.deleted_at = world.now
    if world.nodes is not None:
        await world.nodes.delete_volume(volume.fid)
    return no_content()


def _find_volume(world: World, fid: str) -> VolumeRow:
    return find_row({one.fid: one for one in world.volumes.values() if one.deleted_at is None}, fid, "Volume")


def _as_json(world: World, volume: VolumeRow) -> dict[str, Any]:
    """Returns the JSON of a volume. `attachments` maps the ids of the instances that have it to their names."""
    orders = [order for order in world.active_orders() if volume.fid in order.launch.volumes]
    instances = [world.instances[fid] for order in orders for fid in order.instances]
    return {
        "fid": volume.fid,
        "name": volume.name,
        "region": volume.region,
        "created_at": iso_time(volume.created_at),
        "deleted_at": iso_time_or_none(volume.deleted_at),
        "capacity_gb": volume.size_gb,
        "project": volume.project,
        "interface": volume.interface,
        "bids": [order.fid for order in orders if order.product == "Spot"],
        "reservations": [order.fid for order in orders if order.product == "Reservations"],
        "attachments": {one.fid: one.name for one in instances if not one.is_gone},
    }
