"""What may be done to single instances: only to those of a reservation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

from flow_core.emulator.http.checking import Body, body_of, optional_body_of
from flow_core.emulator.http.messages import Answer, Refusal, Request, answer
from flow_core.emulator.http.router import Routes
from flow_core.emulator.market.images import IMAGE_FIDS
from flow_core.emulator.orders import machines
from flow_core.emulator.orders.instances import Instance, Status
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

routes = Routes()


def no_twins(fids: list[str]) -> list[str]:
    if len(set(fids)) != len(fids):
        raise ValueError("an instance is listed twice")
    return fids


Fids = Annotated[list[str], AfterValidator(no_twins)]


class PatchStatus(Body):
    instances: Fids
    status: Literal["STATUS_RUNNING", "STATUS_PAUSED"]


class RefreshDisk(Body):
    image_version: str | None = None


@routes.patch("/v2/instances")
async def patch_status(world: World, request: Request) -> Answer:
    wanted = body_of(request, PatchStatus)
    instances = [known(world.instances, fid, f"Instance {fid}") for fid in wanted.instances]
    for one in instances:
        _refuse_spot(one)
        if one.status not in ("STATUS_RUNNING", "STATUS_PAUSED"):
            raise Refusal(409, f"Instance {one.fid} is not ready: it is {one.status}")
    for one in instances:
        async with one.order.turn:
            await _bring(world, one, wanted.status)
    return answer({"instances": {one.fid: one.status for one in instances}})


@routes.post("/v2/instances/{instance_fid}/refresh-boot-disk")
async def refresh_disk(world: World, request: Request) -> Answer:
    wanted = optional_body_of(request, RefreshDisk)
    one = known(world.instances, request["instance_fid"], "Instance")
    _refuse_spot(one)
    if one.is_gone:
        raise Refusal(409, "The instance has no underlying VM to refresh")
    if one.status != "STATUS_PAUSED":
        raise _reason("INSTANCE_RUNNING", "The instance must be paused first")
    if wanted.image_version is not None and wanted.image_version not in IMAGE_FIDS:
        raise _reason("INVALID_IMAGE_VERSION", "The image version is not available in the instance's region")
    async with one.order.turn:
        await machines.halt(world, [one], "STATUS_PAUSED", keeps_disk=False)
    image = wanted.image_version or one.order.launch.image_version
    return answer({"fid": one.fid, "image_version": image, "status": "REFRESHED"})


@routes.post("/v2/instances/{instance_fid}/restart")
async def restart(world: World, request: Request) -> Answer:
    one = known(world.instances, request["instance_fid"], "Instance")
    if not one.is_up:
        raise Refusal(409, f"Instance {one.fid} is not running")
    async with one.order.turn:
        await machines.halt(world, [one], "STATUS_STOPPING")
        await machines.start(world, one)
    return answer({}, 202)


async def _bring(world: World, one: Instance, status: Status) -> None:
    if (one.status, status) == ("STATUS_PAUSED", "STATUS_RUNNING"):
        await machines.start(world, one)
    elif (one.status, status) == ("STATUS_RUNNING", "STATUS_PAUSED"):
        await machines.stop(world, one)


def _refuse_spot(one: Instance) -> None:
    if one.bid is not None:
        raise Refusal(501, "Spot bids are not yet supported")


def _reason(word: str, message: str) -> Refusal:
    return Refusal(422, [{"type": "value_error", "loc": ["body"], "msg": message, "reason": word}])
