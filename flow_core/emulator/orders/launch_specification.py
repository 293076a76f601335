"""Launch specifications of orders, and their checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from flow_core.emulator.http.parsing import BodyModel
from flow_core.emulator.http.responses import ApiError
from flow_core.emulator.market.catalog import IMAGE_FIDS
from flow_core.emulator.orders.order import LaunchConfig
from flow_core.emulator.world import World, find_row

_FIRST_LINE = "#!/bin/bash"
_MAX_SCRIPT = 10_000


def _has_first_line(script: str) -> str:
    if not script.startswith(_FIRST_LINE):
        raise ValueError(f"the startup script must start with {_FIRST_LINE}")
    return script


Script = Annotated[str, Field(max_length=_MAX_SCRIPT), AfterValidator(_has_first_line)]


class LaunchSpecification(BodyModel):
    volumes: list[str]
    ssh_keys: list[str]
    startup_script: Script | None = None
    kubernetes_cluster: str | None = None
    image_version: str | None = None
    memory_gb: Annotated[int, Field(ge=1)] | None = None


def create_launch(world: World, body: LaunchSpecification, project: str, region: str, quantity: int) -> LaunchConfig:
    """Creates the launch configuration. Raises ApiError."""
    check_ssh_keys(world, body.ssh_keys, project)
    check_volumes(world, body.volumes, project, region, quantity)
    if body.image_version is not None and body.image_version not in IMAGE_FIDS:
        raise ApiError(404, f"Image version {body.image_version} not found")
    if body.kubernetes_cluster is not None:
        find_row(world.clusters, body.kubernetes_cluster, "Kubernetes cluster")
    return LaunchConfig(**{name: getattr(body, name) for name in LaunchSpecification.model_fields})


def check_ssh_keys(world: World, fids: list[str], project: str) -> None:
    """Raises ApiError for an unknown key, a required key that is missing, and an empty list."""
    keys = {key.fid: key for key in world.ssh_keys.values() if key.project == project}
    for fid in fids:
        find_row(keys, fid, f"SSH key {fid}")
    for key in keys.values():
        if key.required and key.fid not in fids:
            raise ApiError(400, f"SSH key {key.name} ({key.fid}) is required in this project")
    if not fids:
        raise ApiError(400, "No SSH keys: at least one is needed to reach the instances")


def check_volumes(
    world: World, fids: list[str], project: str, region: str, quantity: int, order_fid: str | None = None
) -> None:
    """Raises ApiError for a volume that another order uses or that this number of instances can't attach there."""
    volumes = {one.fid: one for one in world.volumes.values() if one.project == project and one.deleted_at is None}
    if len(set(fids)) != len(fids):
        raise ApiError(400, "A volume is listed twice")
    for fid in fids:
        volume = find_row(volumes, fid, f"Volume {fid}")
        if volume.region != region:
            raise ApiError(400, f"Volume {fid} is in region {volume.region}, not in {region}")
        if volume.interface == "File":
            continue
        if quantity > 1:
            raise ApiError(400, f"Block volume {fid} can't be attached to more than one instance")
        if any(fid in one.launch.volumes and one.fid != order_fid for one in world.active_orders()):
            raise ApiError(409, f"Block volume {fid} is in use by another bid or reservation")
