"""What a machine is told of a task: what to keep to, and the script that sets its environment and names its command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.providers.hosts.placement import Seat
from flow_core.providers.hosts.ranks import environment

if TYPE_CHECKING:
    from flow_core.models.spec import MountSpec, Retries, TaskConfig
    from flow_core.models.volume import Volume

_WORKSPACE = "/workspace"
# Names that the program on the machine uses while it reads a task's script, and those that some sh sets by itself.
_NOT_EXPORTED = frozenset(
    {
        *("flow_task", "flow_visible", "flow_command", "flow_enter"),
        *(
            "OPTIND",
            "RANDOM",
            "SRANDOM",
            "SECONDS",
            "LINENO",
            "GROUPS",
            "FUNCNAME",
            "HISTCMD",
            "PIPESTATUS",
            "DIRSTACK",
        ),
        *("PIPESTATUS", "DIRSTACK", "BASHPID", "BASH_COMMAND", "BASH_SUBSHELL", "EPOCHREALTIME", "EPOCHSECONDS"),
    }
)
_ELSEWHERE = (
    "volumes and data are found by FLOW_VOLUME_* and FLOW_DATA_*, not at their mount paths:"
    " a task on a host has no mounts of its own"
)


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a task: which of how many, and where they meet."""

    rank: int = 0
    ranks: int = 1
    head: str = "127.0.0.1"
    master_port: int | None = None


def plan_of(config: TaskConfig, seat: Seat, node: Node, volumes: Sequence[Volume]) -> str:
    """Assignments for sh, which its keeper reads."""
    paths = [mount.source for mount in config.data_mounts if not volume_name(mount)]
    real = any(gpu.is_real for gpu in seat.candidates)
    said: dict[str, str] = {
        "count": str(seat.count),
        "candidates": " ".join(gpu.gpu_id for gpu in seat.candidates),
        "model": seat.model,
        "real": "1" if real else "0",
        "hide": "1" if not seat.count and any(gpu.is_real for gpu in seat.facts.gpus) else "0",
        "rank": str(node.rank),
        "ranks": str(node.ranks),
        "limit_s": "" if config.max_run_time_hours is None else f"{config.max_run_time_hours * 3600:.3f}",
        "max_hours": "" if config.max_run_time_hours is None else f"{config.max_run_time_hours:g}",
        "delays": " ".join(f"{delay:g}" for delay in _delays(config.retries)),
        "notice": _ELSEWHERE if volumes or paths else "",
        "volumes": " ".join(f"{one.volume_id}:{one.name}:{one.interface}" for one in volumes),
        "paths": "\n".join(paths),
        "dir": directory_of(config),
    }
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in said.items())


def directory_of(config: TaskConfig) -> str:
    """Where it starts: a path of the machine, or relative to the task's own directory there."""
    wanted = config.working_dir or ""
    if wanted == _WORKSPACE or wanted.startswith(_WORKSPACE + "/"):
        return os.path.normpath(wanted[len(_WORKSPACE) :].lstrip("/") or ".").removeprefix(".")
    return wanted


def script_of(config: TaskConfig, name: str, task_id: str, seat: Seat, node: Node, volumes: Sequence[Volume]) -> str:
    """Exports for sh and, as its arguments, the command. It holds secrets."""
    told = environment(
        node.ranks, node.rank, node.head, seat.count, node.master_port, config.distributed_mode, config.ports
    )
    env = {"PYTHONUNBUFFERED": "1", **told, **config.env, "FLOW_TASK_ID": task_id, "FLOW_TASK_NAME": name}
    lines = [f"export {key}={shlex.quote(value)}" for key, value in env.items() if key not in _NOT_EXPORTED]
    lines.append('export FLOW_TASK_DIR="$flow_task"')
    for volume in volumes:
        variable = "FLOW_VOLUME_" + volume.name.upper().replace("-", "_")
        lines.append(f'export {variable}="$flow_task"/volumes/{volume.name}')
    paths = [mount.source for mount in config.data_mounts if not volume_name(mount)]
    for number, path in enumerate(paths):
        home = '"$HOME"' if path.startswith("~/") else ""
        lines.append(f"export FLOW_DATA_{number}={home}{shlex.quote(path[1:] if home else path)}")
    return "\n".join([*lines, *_command(config, {key: env[key] for key in sorted(_NOT_EXPORTED & env.keys())})])


def volume_name(mount: MountSpec) -> str:
    """The volume a data mount means, or "" when it means something else."""
    if mount.source.startswith("volume://"):
        return mount.source.removeprefix("volume://")
    return mount.source if mount.mount_type == "volume" else ""


def _command(config: TaskConfig, env: dict[str, str]) -> list[str]:
    """`env` are variables that the command gets without any shell assigning them."""
    if not isinstance(config.command, str):
        return [f"set -- {shlex.join([*_with(env), *config.command])}"]
    # Another sh than bash may end at an OPTIND that is no number, and every sh sets it anew.
    bare = {key: value for key, value in env.items() if key != "OPTIND"}
    by_bash = shlex.join([*_with(env), "/bin/bash", "-c", config.command])
    by_sh = shlex.join([*_with(bare), "/bin/sh", "-c", config.command])
    return [f"if [ -x /bin/bash ]; then set -- {by_bash}; else set -- {by_sh}; fi"]


def _with(env: dict[str, str]) -> list[str]:
    return ["env", *(f"{key}={value}" for key, value in env.items())] if env else []


def _delays(retries: Retries | None) -> list[float]:
    """The pause before each further attempt."""
    if retries is None:
        return []
    factor = 2.0 if retries.mode == "exponential" else 1.0
    return [min(retries.delay_s * factor**n, retries.max_delay_s) for n in range(retries.max_retries)]
