"""The data mounts of a submission: paths of this machine, and data to download from S3."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.refusals import Refused
from flow_core.agent.s3.address import SCHEME, S3Address
from flow_core.agent.submit_request import MountRequest, SubmitRequest
from flow_core.agent.user_paths import resolve_path

S3_ADDRESS_INVALID = "s3_address_invalid"
S3_NOT_READ_ONLY = "s3_not_read_only"
S3_NEEDS_BOTO3 = "s3_needs_boto3"
MOUNT_UNSUPPORTED = "mount_unsupported"
MOUNT_MISSING = "mount_missing"

_VOLUME = "volume://"
_IMPORT_BOTO3_S = 20.0


def get_volume_name(mount: MountRequest) -> str:
    """Returns the name of the volume of a data mount; "" if its source is no volume."""
    if mount.source.startswith(_VOLUME):
        return mount.source[len(_VOLUME) :]
    return mount.source if mount.mount_type == "volume" else ""


def plan_mounts(request: SubmitRequest, task: TaskFolder) -> list[dict[str, Any]]:
    """Returns the entries of mounts.json for all data mounts except volumes. Changes nothing on disk.

    May take seconds, to find out whether another Python has boto3. Refuses with the codes of this module.
    """
    planned: list[dict[str, Any]] = []
    downloads = 0
    for mount in request.data_mounts:
        if get_volume_name(mount):
            continue
        if mount.mount_type == "s3fs" or mount.source.startswith(SCHEME):
            planned.append(_download(mount, task.copies / str(downloads), request))
            downloads += 1
        else:
            planned.append(_bind(mount))
    return planned


def _download(mount: MountRequest, copy_path: Path, request: SubmitRequest) -> dict[str, Any]:
    try:
        address = S3Address.parse(mount.source)
    except ValueError as error:
        raise Refused(S3_ADDRESS_INVALID, source=mount.source, why=str(error)) from None
    unknown = sorted(mount.options.keys() - {"read_only"})
    if mount.options.get("read_only", True) is not True or unknown:
        raise Refused(S3_NOT_READ_ONLY, unknown_option=unknown[0] if unknown else None)
    if not (_has_boto3(request.s3_python) if request.has_boto3 is None else request.has_boto3):
        raise Refused(S3_NEEDS_BOTO3, address=str(address))
    return {"source": str(copy_path), "target": mount.target, "read_only": True, "s3": str(address)}


def _bind(mount: MountRequest) -> dict[str, Any]:
    if "://" in mount.source:
        raise Refused(MOUNT_UNSUPPORTED, source=mount.source)
    source = resolve_path("data_mounts", mount.source)
    if not os.path.exists(source):
        raise Refused(MOUNT_MISSING, path=str(source))
    read_only = mount.options.get("read_only", True) is not False
    return {"source": str(source), "target": mount.target, "read_only": read_only}


def _has_boto3(python: str | None) -> bool:
    """Returns whether that Python (default: the current one) has boto3. May take seconds."""
    import subprocess  # lazy import: few tasks have data from S3

    command = [os.path.expanduser(python or sys.executable), "-c", "import boto3"]
    null = subprocess.DEVNULL
    try:
        ended = subprocess.run(command, stdin=null, stdout=null, stderr=null, timeout=_IMPORT_BOTO3_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.returncode == 0
