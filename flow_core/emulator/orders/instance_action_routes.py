"""Actions on single instances. Most of them need an instance of a reservation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator
from starlette.requests import Request
from starlette.responses import Response

from flow_core.emulator.http.parsing import BodyModel, parse_body, parse_optional_body
from flow_core.emulator.http.responses import ApiError, json_response
from flow_core.emulator.http.routing import Routes
from flow_core.emulator.market.catalog import IMAGE_FIDS
from flow_core.emulator.orders import instance_lifecycle
from flow_core.emulator.orders.instances import InstanceRow, Status
from flow_core.emulator.world import World, find_row

routes = Routes()


def _refuse_duplicates(fids: list[str]) -> list[str]:
    if len(set(fids)) != len(fids):
        raise ValueError("an instance is listed twice")
    return fids


UniqueIds = Annotated[list[str], AfterValidator(_refuse_duplicates)]


class PatchStatus(BodyModel):
    instances: UniqueIds
    status: Literal["STATUS_RUNNING", "STATUS_PAUSED"]


class RefreshDisk(BodyModel):
    image_version: str | None = None


@routes.patch("/v2/instances")
async def patch_status(world: World, request: Request) -> Response:
    body = await parse_body(request, PatchStatus)
    instances = [find_row(world.instances, fid, f"Instance {fid}") for fid in body.instances]
    for instance in instances:
        _refuse_spot(instance)
        if instance.status not in ("STATUS_RUNNING", "STATUS_PAUSED"):
            raise ApiError(409, f"Instance {instance.fid} is not ready: it is {instance.status}")
    for instance in instances:
        async with instance.order.lock:
            await _set_status(world, instance, body.status)
    return json_response({"instances": {instance.fid: instance.status for instance in instances}})


@routes.post("/v2/instances/{instance_fid}/refresh-boot-disk")
async def refresh_disk(world: World, request: Request) -> Response:
    body = await parse_optional_body(request, RefreshDisk)
    instance = find_row(world.instances, request.path_params["instance_fid"], "Instance")
    _refuse_spot(instance)
    if instance.is_gone:
        raise ApiError(409, "The instance has no underlying VM to refresh")
    if instance.status != "STATUS_PAUSED":
        raise _reason_error("INSTANCE_RUNNING", "The instance must be paused first")
    if body.image_version is not None and body.image_version not in IMAGE_FIDS:
        raise _reason_error("INVALID_IMAGE_VERSION", "The image version is not available in the instance's region")
    async with instance.order.lock:
        await instance_lifecycle.halt(world, [instance], "STATUS_PAUSED", keeps_disk=False)
    image = body.image_version or instance.order.launch.image_version
    return json_response({"fid": instance.fid, "image_version": image, "status": "REFRESHED"})


@routes.post("/v2/instances/{instance_fid}/restart")
async def restart(world: World, request: Request) -> Response:
    instance = find_row(world.instances, request.path_params["instance_fid"], "Instance")
    if not instance.is_up:
        raise ApiError(409, f"Instance {instance.fid} is not running")
    async with instance.order.lock:
        await instance_lifecycle.halt(world, [instance], "STATUS_STOPPING")
        await instance_lifecycle.start(world, instance)
    return json_response({}, 202)


async def _set_status(world: World, instance: InstanceRow, status: Status) -> None:
    if (instance.status, status) == ("STATUS_PAUSED", "STATUS_RUNNING"):
        await instance_lifecycle.start(world, instance)
    elif (instance.status, status) == ("STATUS_RUNNING", "STATUS_PAUSED"):
        await instance_lifecycle.stop(world, instance)


def _refuse_spot(instance: InstanceRow) -> None:
    if instance.bid is not None:
        raise ApiError(501, "Spot bids are not yet supported")


def _reason_error(word: str, message: str) -> ApiError:
    return ApiError(422, [{"type": "value_error", "loc": ["body"], "msg": message, "reason": word}])
