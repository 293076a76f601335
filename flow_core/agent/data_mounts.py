"""The data mounts of a submission: paths of this machine, and copies of data from S3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.paths import resolve_path
from flow_core.agent.refusals import Refused
from flow_core.agent.s3.address import SCHEME, S3Address
from flow_core.agent.submit_request import MountRequest

S3_ADDRESS_INVALID = "s3_address_invalid"
S3_NOT_READ_ONLY = "s3_not_read_only"
S3_NEEDS_BOTO3 = "s3_needs_boto3"
MOUNT_UNSUPPORTED = "mount_unsupported"
MOUNT_MISSING = "mount_missing"

_VOLUME = "volume://"


def get_volume_name(mount: MountRequest) -> str:
    """Return the name of the volume that a data mount refers to; "" if it refers to something else."""
    if mount.source.startswith(_VOLUME):
        return mount.source[len(_VOLUME) :]
    return mount.source if mount.mount_type == "volume" else ""


def plan_mounts(
    mounts: Iterable[MountRequest], task: TaskFolder, has_boto3: Callable[[], bool]
) -> list[dict[str, Any]]:
    """Return the entries of mounts.json for all mounts that are not volumes. Creates nothing.

    Refuses with the codes of this module. `has_boto3` may take seconds.
    """
    planned: list[dict[str, Any]] = []
    copy_count = 0
    for mount in mounts:
        if get_volume_name(mount):
            continue
        if mount.mount_type == "s3fs" or mount.source.startswith(SCHEME):
            planned.append(_plan_copy(mount, task.copies / str(copy_count), has_boto3))
            copy_count += 1
        else:
            planned.append(_plan_bind(mount))
    return planned


def _plan_copy(mount: MountRequest, target: Path, has_boto3: Callable[[], bool]) -> dict[str, Any]:
    try:
        address = S3Address.parse(mount.source)
    except ValueError as error:
        raise Refused(S3_ADDRESS_INVALID, source=mount.source, why=str(error)) from None
    unknown = sorted(mount.options.keys() - {"read_only"})
    if mount.options.get("read_only", True) is not True or unknown:
        raise Refused(S3_NOT_READ_ONLY, unknown_option=unknown[0] if unknown else None)
    if not has_boto3():
        raise Refused(S3_NEEDS_BOTO3, address=str(address))
    return {"source": str(target), "target": mount.target, "read_only": True, "s3": str(address)}


def _plan_bind(mount: MountRequest) -> dict[str, Any]:
    if "://" in mount.source:
        raise Refused(MOUNT_UNSUPPORTED, source=mount.source)
    source = resolve_path("data_mounts", mount.source)
    if not os.path.exists(source):
        raise Refused(MOUNT_MISSING, path=str(source))
    read_only = mount.options.get("read_only", True) is not False
    return {"source": str(source), "target": mount.target, "read_only": read_only}
