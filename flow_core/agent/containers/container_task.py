"""A task that runs in containers, in each phase of its life.

Only supervisors of such tasks load this, before they report to the submitter.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flow_core.agent.capacity import queue
from flow_core.agent.containers.arguments import Container, add_workspace
from flow_core.agent.containers.container_termination import ContainerTermination
from flow_core.agent.containers.engine import ContainerEngine, EngineError, find_last_line
from flow_core.agent.containers.image_pull import ImagePull
from flow_core.agent.layout import make_container_name
from flow_core.agent.private_folders import private_opener
from flow_core.agent.processes.table import has_argument, list_processes
from flow_core.agent.processes.tree import ProcessIdentity, ProcessTree, read_grace_s
from flow_core.agent.regular_files import open_regular_stream
from flow_core.agent.spool import SpoolFiles
from flow_core.agent.supervisor.namespace import Mount
from flow_core.agent.supervisor.process_launch import ProcessLaunch
from flow_core.agent.supervisor.state_writer import TaskOutcome, TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal

# Variables that change the client's own behaviour or linking; the container gets them through a file, not through the
# client's environment.
_CLIENT_VARIABLES = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|(?:LD|XDG|GLIBC|MALLOC|DBUS|LISTEN|NOTIFY|SSL_CERT|STORAGE|REGISTRY|OCI)_.*"
    r"|GO[A-Z0-9]+|_?(?:CONTAINER|DOCKER|PODMAN|BUILDAH|CRUN|RUNC).*|(?i:.*_proxy)"
)
_ENGINE_ERROR = re.compile(
    r"(?:Error: |docker: (?:Error response from daemon: )?|(ERROR \(catatonit:\d+\): )|\[FATAL tini \(\d+\)\] )(.+)"
)
_TAIL_BYTES = 4096
_EXIT_DELAY_S = 2.0  # time for a client to notice its container's end


class ContainerTask:
    """One task with an image."""

    def __init__(self, writer: TaskStateWriter, stop: StopSignal) -> None:
        self._writer = writer
        self._stop = stop
        assert writer.spec.container is not None  # only such a task loads this module
        self._plan = writer.spec.container
        self._engine = ContainerEngine.parse(self._plan.engine)
        self._image = self._plan.image
        self._check_at: float | None = None

    def fetch(self) -> TaskOutcome | None:
        """Fetches the image; returns None once it is on this machine, otherwise the outcome of the task."""
        for name in (self._image, qualify_image(self._image)):
            if self._engine.has_image(name):
                self._image = name
                return None
        self._image = qualify_image(self._image)
        return ImagePull(self._writer, self._stop, self._engine).run(self._image)

    def enqueue(self) -> None:
        """Joins the GPU queue, at the position that the task got when it was submitted. Calling it again is safe."""
        with queue.queue_lock(self._writer.task.root):
            queue.enqueue(self._writer.task, self._writer.spec)

    def launch(self, rank: int, env: Mapping[str, str], binds: Sequence[Mount], gpus: Sequence[str]) -> ProcessLaunch:
        """Returns the launch of the client that runs a rank; `env` is the environment inside the container.

        The client inherits no GPU lock: helper processes of the engine would hold it forever. The lease protects the
        GPU instead.
        """
        client_env, container_env = self._engine.environment, self._variables(env, gpus)
        inherited = {
            name: value
            for name, value in container_env.items()
            if "\n" in value or not _CLIENT_VARIABLES.fullmatch(name)
        }
        container = Container(
            engine=self._engine,
            image=self._image,
            name=make_container_name(self._writer.task.task_id, self._writer.state.attempt, rank),
            mark=self._writer.spec.mark,
            argv=self._writer.spec.argv,
            is_line=self._plan.is_line,
            working_dir=self._plan.working_dir,
            binds=add_workspace(self._writer.state.working_dir, binds),
            gpus=gpus,
            variables=sorted(inherited),
            env_file=str(self._write_env_file(rank, container_env, inherited)),
            on_terminal=self._writer.spec.tty,
        )
        return ProcessLaunch(container.run(), {**client_env, **inherited}, str(self._writer.task.path))

    def note_unknown_exit(self) -> None:
        """Notes the exit of a process that is no rank; it may be the monitor that podman runs beside each container."""
        if self._engine.name == "podman":
            self._check_at = time.monotonic() + _EXIT_DELAY_S

    @property
    def check_in_s(self) -> float | None:
        """The time until `kill_orphaned_clients` must be called; None if no call is needed."""
        return None if self._check_at is None else max(0.0, self._check_at - time.monotonic())

    def kill_orphaned_clients(self, running: Mapping[int, int]) -> None:
        """Kills clients (rank by pid) whose container's monitor was killed: they would wait for it forever."""
        if self._check_at is None or time.monotonic() < self._check_at:
            return
        self._check_at = None
        for pid, rank in running.items():
            name = make_container_name(self._writer.task.task_id, self._writer.state.attempt, rank)
            # Two rounds: a container may start between the two checks of one round.
            if all(not _is_watched(name) and self._has_started(name) for _ in range(2)):
                os.kill(pid, signal.SIGKILL)  # a child that was not reaped yet, so the pid is not reused

    def end(self, children: Sequence[ProcessIdentity], pause: Callable[[float], None]) -> None:
        """Returns once no container of the task is left, and no process that could start one."""
        tree = ProcessTree(self._writer.spec.mark, children, os.getpid())
        termination = ContainerTermination(self._engine, self._writer.task.task_id, tree)
        termination.run(read_grace_s(), pause, self._stop.is_urgent, self._report_unresponsive)

    def explain_exit(self, code: int, message: str, files: SpoolFiles) -> tuple[int, str]:
        """Returns the exit code and message of a rank, with the engine's error message if the engine failed."""
        found = _ENGINE_ERROR.fullmatch(find_last_line(_tail(files.log))) if code in (1, 125, 126, 127) else None
        if found is None or (code == 1 and not found[1]):
            return code, message
        # podman's init exits with 1 if there is no such command.
        return (127 if found[1] else code), f"{self._engine.name}: {found[2]}"

    def _has_started(self, name: str) -> bool:
        """Returns whether the container runs, or no monitor saw its exit.

        Returns False for a container that ended normally, whose client is still cleaning up.
        """
        try:
            state, code = self._engine.get_state(name)
        except (EngineError, FileNotFoundError):
            return False
        return state == "running" or code == -1

    def _variables(self, env: Mapping[str, str], gpus: Sequence[str]) -> dict[str, str]:
        container_env = {**self._plan.defaults, **env}
        if not gpus or self._engine.name == "podman":
            # Images set "all" here, and NVIDIA's hook would obey it if the hook is the default.
            container_env["NVIDIA_VISIBLE_DEVICES"] = "void"
        return container_env

    def _write_env_file(self, rank: int, container_env: Mapping[str, str], inherited: Mapping[str, str]) -> Path:
        path = self._writer.task.path / f"env-{rank}"
        lines = [f"{name}={value}\n" for name, value in container_env.items() if name not in inherited]
        with open(path, "w", encoding="utf-8", errors="surrogateescape", opener=private_opener) as stream:
            stream.writelines(lines)
        return path

    def _report_unresponsive(self, reason: str) -> None:
        self._writer.set_message(f"{self._engine.name} does not report whether the container still runs: {reason}")


def _is_watched(name: str) -> bool:
    """Returns whether podman's monitor of this container is alive."""
    return any(has_argument(pid, f"\0-n\0{name}\0") for pid in list_processes())


def qualify_image(image: str) -> str:
    """Returns the image name with a registry: docker's if none is named. Without one, podman would prompt for it."""
    first, slash, _ = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def _tail(path: Path) -> bytes:
    try:
        with open_regular_stream(path) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
            return stream.read()
    except OSError:
        return b""
