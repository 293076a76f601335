"""The fields of a TaskConfig that a Slurm cluster does not support."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, printable
from flow_core.providers.contract.request_checks import check_argument_sizes
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported
from flow_core.providers.over_agent.submit_requests import get_volume_name, is_s3
from flow_core.providers.slurm.submit.images import check_bind

if TYPE_CHECKING:
    from flow_core.models.storage_spec import MountSpec
    from flow_core.models.task_config import TaskConfig

_WORKSPACE = "/workspace"
_ARRAY = re.compile(r"\d+(-\d+(:\d+)?)?(,\d+(-\d+(:\d+)?)?)*(%[1-9]\d*)?")
_AFTER = re.compile(
    r"(?:(?P<kind>after|afterany|afternotok|afterok|aftercorr):)?(?P<ids>\d{1,10}(_\d+)?(:\d{1,10}(_\d+)?)*)"
)

UNSUPPORTED: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "k8s", lambda task: task.k8s, "there is no Kubernetes behind a Slurm cluster; choose a context that has one"
    ),
    UnsupportedField(
        "tty",
        lambda task: task.tty,
        "machines of a Slurm cluster run a task without a terminal; open a shell in the running task instead",
    ),
    UnsupportedField(
        "streams",
        lambda task: task.streams == "separate",
        "machines of a Slurm cluster keep stdout and stderr in one log; write merged, or leave it out",
    ),
    UnsupportedField(
        "volumes",
        lambda task: task.volumes,
        "a Slurm cluster has no volumes; use one of its shared paths, which the volumes pane lists, with data_mounts",
    ),
    UnsupportedField(
        "data_mounts",
        lambda task: any(map(get_volume_name, task.data_mounts)),
        "a Slurm cluster has no volumes; name one of its shared paths, such as $HOME or a scratch folder",
    ),
    UnsupportedField(
        "data_mounts",
        lambda task: any(map(is_s3, task.data_mounts)),
        "a Slurm cluster doesn't fetch data from S3; copy it to a shared path, or fetch it in the command",
    ),
    UnsupportedField(
        "max_price_per_hour",
        lambda task: task.max_price_per_hour is not None,
        "a Slurm cluster has no prices; leave it out",
    ),
    UnsupportedField(
        "allocation_mode",
        lambda task: task.allocation_mode == "reserved" and task.reservation_id is None,
        "name the reservation of the cluster with reservation_id",
    ),
)
UNSUPPORTED_IN_SCRIPTS: tuple[UnsupportedField[TaskConfig], ...] = (
    UnsupportedField(
        "image", lambda task: task.image, "a script with #SBATCH lines runs unchanged; use the image in it"
    ),
    UnsupportedField(
        "retries",
        lambda task: task.retries is not None and task.retries.max_retries,
        "a script with #SBATCH lines runs unchanged; repeat the command in it, or use requeue",
    ),
    UnsupportedField(
        "data_mounts",
        lambda task: task.data_mounts,
        "a script with #SBATCH lines runs unchanged; use the paths in it",
    ),
    UnsupportedField(
        "ports", lambda task: task.ports, "a script with #SBATCH lines runs unchanged; write the ports into it"
    ),
)
"""The fields that a script with #SBATCH lines can't have."""


def check_task(config: TaskConfig, *, is_script: bool) -> None:
    """Checks the fields that need no request. Raises Unsupported or ConfigError that names the field."""
    check_supported(config, UNSUPPORTED)
    if is_script:
        check_supported(config, UNSUPPORTED_IN_SCRIPTS)
    check_argument_sizes(config)
    if config.array is not None and not _ARRAY.fullmatch(config.array):
        raise ConfigError(
            f"array: {printable(repr(config.array))} is no list of indexes such as 0-29, 1,3,5 or 0-99%4", field="array"
        )
    parse_after(config)
    if config.image is not None and not (config.working_dir or _WORKSPACE).startswith("/"):
        raise ConfigError("working_dir: must be a path inside the image, starting with /", field="working_dir")
    if not is_script and ".." in (config.working_dir or "").split("/") and config.image is None:
        raise ConfigError("working_dir: must not contain '..'; write a path from / or ~", field="working_dir")
    for mount in config.data_mounts:
        _check_mount(mount, has_image=config.image is not None)


def parse_after(config: TaskConfig) -> list[tuple[str, list[str]]]:
    """Returns the kinds of dependency with their job ids. Raises ConfigError."""
    found: list[tuple[str, list[str]]] = []
    for entry in config.after:
        parsed = _AFTER.fullmatch(entry.strip())
        if parsed is None:
            raise ConfigError(
                f"after: {printable(repr(entry))} is no task of this cluster; write its number, such as 123, or"
                " afterany:123",
                field="after",
            )
        found.append((parsed["kind"] or "afterok", parsed["ids"].split(":")))
    return found


def find_link(mount: MountSpec) -> str | None:
    """Returns the path in the code at which a mount appears without an image; None if it is at its own path."""
    below = mount.target.removeprefix(f"{_WORKSPACE}/")
    return below if below != mount.target else None


def _check_mount(mount: MountSpec, *, has_image: bool) -> None:
    if not mount.source.startswith(("/", "~/")):
        raise ConfigError(
            f"data_mounts: {printable(repr(mount.source))} must be a path of the cluster, starting with / or ~/",
            field="data_mounts",
        )
    if has_image:
        check_bind(mount.source, "data_mounts")
        check_bind(mount.target, "data_mounts")
    elif find_link(mount) is None and mount.source.rstrip("/") != mount.target:
        raise ConfigError(
            f"data_mounts: {printable(mount.target)} can't be mounted without an image; use {printable(mount.source)}"
            " in the command, or a target below /workspace",
            field="data_mounts",
        )
