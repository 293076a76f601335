"""The arguments of `podman` and `docker` to run a rank of a task in a container, or to enter it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flow_core.agent.containers.engine import MARK_LABEL, ContainerEngine
from flow_core.agent.supervisor.namespace import Mount

WORKSPACE = "/workspace"
# The container uses this machine's network, so that ports and MASTER_ADDR mean the same inside and outside, and its
# shared memory, since the 64 MB of a container are too small for PyTorch's data loaders, and NCCL meets other ranks
# there. The engine stores no second copy of the log, and no SELinux label hides the mounts.
_RUN_OPTIONS = (
    *("run", "--rm", "--pull=never", "--log-driver=none"),
    *("--network=host", "--ipc=host", "--security-opt=label=disable"),
)
_BASH_OR_SH = "if command -v bash >/dev/null 2>&1; then exec bash {0}; else exec sh {0}; fi"
_COMMAND_LINE_SCRIPT, _SHELL_SCRIPT = _BASH_OR_SH.format('-c "$0"'), _BASH_OR_SH.format("-i")
# Sends SIGHUP to every process with the mark in its environment: all children of a marked process inherit it.
_HANG_UP_SCRIPT = """for file in $(grep -ls "$0" /proc/[0-9]*/environ); do
pid=${file#/proc/}; pid=${pid%/environ}; kill -s HUP "$pid"; kill -s CONT "$pid"; done"""


class Container(NamedTuple):
    """One rank of one attempt. `variables` names the variables that it inherits from the client's environment."""

    engine: ContainerEngine
    image: str
    name: str
    mark: str
    argv: Sequence[str]
    is_line: bool
    working_dir: str
    binds: Sequence[Mount] = ()
    gpus: Sequence[str] = ()
    variables: Sequence[str] = ()
    env_file: str = ""
    on_terminal: bool = False

    def run(self) -> list[str]:
        """Returns the argv that runs it, without the value of any variable.

        A command line replaces the image's entrypoint.
        """
        argv = [self.engine.path, *_RUN_OPTIONS, *self.engine.options]
        argv += [f"--name={self.name}", f"--label={MARK_LABEL}={self.mark}", f"--workdir={self.working_dir}"]
        argv += ["--tty"] if self.on_terminal else []
        for bind in self.binds:
            argv += ["--mount", _format_bind(bind)]
        argv += self._gpu_options()
        if self.env_file:
            argv += ["--env-file", self.env_file]
        for variable in self.variables:
            argv += ["--env", variable]
        if self.is_line:
            return [*argv, f"--entrypoint={self.argv[0]}", self.image, *self.argv[1:]]
        return [*argv, self.image, *self.argv]

    def _gpu_options(self) -> list[str]:
        if not self.gpus:
            return []
        if self.engine.name == "podman":
            return [word for gpu_id in self.gpus for word in ("--device", f"nvidia.com/gpu={gpu_id}")]
        # Quoted, since docker reads the value as a line of CSV.
        return ["--gpus", f'"device={",".join(self.gpus)}"']


def build_container_argv(command: str | Sequence[str]) -> list[str]:
    """Returns the argv inside a container; a list is unchanged.

    A command line goes to bash if the image has it, otherwise to sh.
    """
    return ["sh", "-c", _COMMAND_LINE_SCRIPT, command] if isinstance(command, str) else list(command)


def add_workspace(folder: str, binds: Sequence[Mount]) -> list[Mount]:
    """Adds a bind of this machine's folder to /workspace, unless another bind has that target."""
    is_taken = any(bind.target.rstrip("/") == WORKSPACE for bind in binds)
    return [*binds] if is_taken else [Mount(folder, WORKSPACE), *binds]


def build_enter_argv(
    engine: ContainerEngine, name: str, mark: str, command: str | None, *, on_terminal: bool
) -> list[str]:
    """Returns the argv of a shell inside a running container.

    `mark` is a variable by which `build_hang_up_arguments` finds the processes.
    """
    terminal = ["--tty", "--env", "TERM"] if on_terminal else []
    argv = [engine.path, "exec", "--interactive", *terminal, "--env", mark, name]
    return [*argv, *(["sh", "-c", _SHELL_SCRIPT] if command is None else build_container_argv(command))]


def build_hang_up_arguments(name: str, mark: str) -> list[str]:
    """Returns the arguments that end the processes of `build_enter_argv`, which a killed client leaves running."""
    return ["exec", name, "sh", "-c", _HANG_UP_SCRIPT, mark]


def _format_bind(mount: Mount) -> str:
    fields = ["type=bind", _quote(f"source={mount.source}"), _quote(f"target={mount.target}")]
    return ",".join([*fields, "readonly"] if mount.read_only else fields)


def _quote(field: str) -> str:
    """Quotes a field; both engines read a mount as a line of CSV."""
    return '"' + field.replace('"', '""') + '"' if any(sign in field for sign in ',"\n\r') else field
