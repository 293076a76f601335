"""The files with the variables of a task, and the variables that describe a rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flow_core.agent.supervisor.rank_environment import DEFAULT_ENVIRONMENT, HEAD, RANK_VARIABLES

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_GONE = "the variables of this task were removed when it had ended; submit it again"


def quote(text: str) -> str:
    """Quotes a word for sh in the way that people read most easily."""
    return "'" + text.replace("'", "'\\''") + "'"


def build_env_file(env: Mapping[str, str]) -> str:
    """Returns the lines of env.sh, the only file with the values."""
    return "".join(f"export {name}={quote(value)}\n" for name, value in env.items())


def build_variables(config: TaskConfig, gpu_count: int) -> dict[str, str]:
    """Returns the variables of a rank in the names of flow, torch and torchrun, as words for sh.

    The script sets `rank`, `ranks`, and for several ranks `head` and `port`. They are those of
    `flow_core.agent.supervisor.rank_environment`.
    """
    several = config.num_instances > 1
    head = '"$head"' if several else HEAD
    found = {
        **DEFAULT_ENVIRONMENT,
        "FLOW_TASK_DIR": '"$run"',
        "FLOW_NODE_RANK": '"$rank"',
        "FLOW_NUM_NODES": '"$ranks"',
    }
    if config.distributed_mode != "manual":
        found |= {"HEAD_NODE_IP": head, "HEAD_NODE": head, "FLOW_MAIN_IP": head}
        found |= {
            "NUM_NODES": '"$ranks"',
            "NODE_RANK": '"$rank"',
            "GPU_COUNT": f'"${{SLURM_GPUS_ON_NODE:-{gpu_count}}}"',
        }
        found |= _TORCH_VARIABLES if several else {}
    if config.ports:
        found["FLOW_PORTS"] = ",".join(map(str, config.ports))
    if len(config.ports) == 1:
        found["PORT"] = str(config.ports[0])
    if config.array is not None:
        found["FLOW_ARRAY_INDEX"] = '"$SLURM_ARRAY_TASK_ID"'
    return found


_TORCH_VARIABLES = {
    "RANK": '"$rank"',
    "WORLD_SIZE": '"$ranks"',
    "GROUP_RANK": '"$rank"',
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": '"$head"',
    "MASTER_PORT": '"$port"',
    "PET_NNODES": '"$ranks"',
    "PET_NODE_RANK": '"$rank"',
    "PET_MASTER_ADDR": '"$head"',
    "PET_MASTER_PORT": '"$port"',
}


def build_variable_lines(variables: Mapping[str, str]) -> str:
    """Returns the lines that set the variables, and unset those that came from a task which submitted this one."""
    names = " ".join(sorted(RANK_VARIABLES - variables.keys()))
    return "".join([f"  unset {names}\n" if names else "", *(f"  export {n}={v}\n" for n, v in variables.items())])


def build_source_line(has_env: bool, indent: str = "  ") -> str:
    """Returns the line that reads env.sh; it fails if the file was removed."""
    if not has_env:
        return ""
    return f'{indent}[ -r "$run/env.sh" ] || {{ echo {quote(_GONE)} >&2; exit 1; }}\n{indent}. "$run/env.sh"\n'


def select_common(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that all ranks share, and a shell in the task gets."""
    return {name: value for name, value in variables.items() if name in _COMMON}


def build_enter_file(
    run: str, root: str, directory: str, variables: Mapping[str, str], prefix: str, export: str
) -> str:
    """Returns enter.sh: it runs its arguments, or a login shell, with the directory and the variables of the task.

    `prefix` is the command line of a tool that runs them in the image of the task, and `export` the lines before it.
    """
    in_image = f"{prefix} " if prefix else ""
    lines = [
        "#!/bin/sh",
        f"run={run} root={root}",
        *(f"export {name}={value}" for name, value in variables.items()),
        '[ ! -r "$run/env.sh" ] || . "$run/env.sh"',
        f"cd -- {directory} || exit 1",
        *export.splitlines(),
        f'[ $# -eq 0 ] || exec {in_image}"$@"',
        f"exec {in_image}sh -c {quote(_ANY_SHELL)}" if prefix else 'exec "${SHELL:-/bin/sh}" -l',
    ]
    return "\n".join(lines) + "\n"


_COMMON: Sequence[str] = (*DEFAULT_ENVIRONMENT, "FLOW_TASK_DIR", "FLOW_PORTS", "PORT")
_ANY_SHELL = "if command -v bash >/dev/null 2>&1; then exec bash -i; else exec sh -i; fi"
