"""The data mounts of a submission: paths of this machine, and copies of what lies in S3."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.s3.address import SCHEME, S3Address
from flow_core.errors import ConfigError, Unsupported, printable
from flow_core.providers.local.paths import absolute

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flow_core.agent.layout import TaskFolder
    from flow_core.models.spec import MountSpec


def volume_name(mount: MountSpec) -> str:
    """The volume a data mount means, or "" when it means something else."""
    if mount.source.startswith("volume://"):
        return mount.source.removeprefix("volume://")
    return mount.source if mount.mount_type == "volume" else ""


def plan_mounts(wanted: Iterable[MountSpec], task: TaskFolder) -> list[dict[str, Any]]:
    """The entries of mounts.json for all that are no volumes. Raises ConfigError, Unsupported; makes nothing."""
    planned: list[dict[str, Any]] = []
    copies = 0
    for mount in wanted:
        if volume_name(mount):
            continue
        if mount.mount_type == "s3fs" or mount.source.startswith(SCHEME):
            planned.append(_copy(mount, task.copies / str(copies)))
            copies += 1
        else:
            planned.append(_bind(mount))
    return planned


def _copy(mount: MountSpec, place: Path) -> dict[str, Any]:
    try:
        address = S3Address.parse(mount.source)
    except ValueError as error:
        shown = printable(repr(mount.source[:200]))
        raise ConfigError(f"data_mounts: {shown} {error}", field="data_mounts") from None
    unknown = sorted(mount.options.keys() - {"read_only"})
    if mount.options.get("read_only", True) is not True or unknown:
        what = f"option {unknown[0]!r} is not known; " if unknown else ""
        raise Unsupported(
            f"data_mounts: {what}s3:// mounts are copies, writing back isn't done; upload in the command instead"
        )
    if importlib.util.find_spec("boto3") is None:
        raise Unsupported(f"data_mounts: {str(address)!r} needs boto3; install it with: pip install 'flow-tui[s3]'")
    return {"source": str(place), "target": mount.target, "read_only": True, "s3": str(address)}


def _bind(mount: MountSpec) -> dict[str, Any]:
    if "://" in mount.source:
        raise Unsupported(f"data_mounts: {printable(repr(mount.source))} can't be mounted here; copy it in the command")
    source = absolute("data_mounts", mount.source)
    if not os.path.exists(source):
        shown = printable(repr(str(source)))
        raise ConfigError(f"data_mounts: {shown} does not exist on this machine", field="data_mounts")
    read_only = mount.options.get("read_only", True) is not False
    return {"source": str(source), "target": mount.target, "read_only": read_only}
