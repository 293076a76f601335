"""What an order's machines are launched with, checked against what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from flow_core.emulator.http.checking import Body
from flow_core.emulator.http.messages import Refusal
from flow_core.emulator.market.images import IMAGE_FIDS
from flow_core.emulator.orders.order import Launch
from flow_core.emulator.world import known

if TYPE_CHECKING:
    from flow_core.emulator.world import World

_FIRST_LINE = "#!/bin/bash"
_MOST_SCRIPT = 10_000


def _has_first_line(script: str) -> str:
    if not script.startswith(_FIRST_LINE):
        raise ValueError(f"the startup script must start with {_FIRST_LINE}")
    return script


Script = Annotated[str, Field(max_length=_MOST_SCRIPT), AfterValidator(_has_first_line)]


class LaunchSpecification(Body):
    volumes: list[str]
    ssh_keys: list[str]
    startup_script: Script | None = None
    kubernetes_cluster: str | None = None
    image_version: str | None = None
    memory_gb: Annotated[int, Field(ge=1)] | None = None


def launch_of(world: World, wanted: LaunchSpecification, project: str, region: str, quantity: int) -> Launch:
    """Raises Refusal."""
    check_ssh_keys(world, wanted.ssh_keys, project)
    check_volumes(world, wanted.volumes, project, region, quantity)
    if wanted.image_version is not None and wanted.image_version not in IMAGE_FIDS:
        raise Refusal(404, f"Image version {wanted.image_version} not found")
    if wanted.kubernetes_cluster is not None:
        known(world.clusters, wanted.kubernetes_cluster, "Kubernetes cluster")
    return Launch(**{name: getattr(wanted, name) for name in LaunchSpecification.model_fields})


def check_ssh_keys(world: World, fids: list[str], project: str) -> None:
    """Raises Refusal where one is unknown, a required one is missing, or there is none at all."""
    keys = {key.fid: key for key in world.ssh_keys.values() if key.project == project}
    for fid in fids:
        known(keys, fid, f"SSH key {fid}")
    for key in keys.values():
        if key.required and key.fid not in fids:
            raise Refusal(400, f"SSH key {key.name} ({key.fid}) is required in this project")
    if not fids:
        raise Refusal(400, "No SSH keys: at least one is needed to reach the instances")


def check_volumes(
    world: World, fids: list[str], project: str, region: str, quantity: int, order_fid: str | None = None
) -> None:
    """Raises Refusal where one can't be attached to so many instances there, or is an order's other than this one."""
    volumes = {one.fid: one for one in world.volumes.values() if one.project == project and one.deleted_at is None}
    if len(set(fids)) != len(fids):
        raise Refusal(400, "A volume is listed twice")
    for fid in fids:
        volume = known(volumes, fid, f"Volume {fid}")
        if volume.region != region:
            raise Refusal(400, f"Volume {fid} is in region {volume.region}, not in {region}")
        if volume.interface == "File":
            continue
        if quantity > 1:
            raise Refusal(400, f"Block volume {fid} can't be attached to more than one instance")
        if any(fid in one.launch.volumes and one.fid != order_fid for one in world.living_orders()):
            raise Refusal(409, f"Block volume {fid} is in use by another bid or reservation")
