"""A task that runs in containers, through every phase of its life. Standard library only.

Loaded by supervisors of such tasks alone, before they answer the submitter.
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
from flow_core.agent.containers.ending import ContainerEnd
from flow_core.agent.containers.engine import ContainerEngine, EngineError, find_last_line
from flow_core.agent.containers.image_pull import ImagePull
from flow_core.agent.layout import container_name
from flow_core.agent.private_folders import private_opener
from flow_core.agent.regular_files import open_regular_stream
from flow_core.agent.spool import SpoolFiles
from flow_core.agent.supervisor.launch import ProcessLaunch
from flow_core.agent.supervisor.namespace import Mount
from flow_core.agent.supervisor.process_table import has_argument, list_processes
from flow_core.agent.supervisor.processes import ProcessIdentity, ProcessTree, read_grace_s
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.supervisor.task_state import TaskOutcome, TaskStateWriter

# What steers the client or its own linking must reach the container past the client's environment.
_STEERS_CLIENT = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|(?:LD|XDG|GLIBC|MALLOC|DBUS|LISTEN|NOTIFY|SSL_CERT|STORAGE|REGISTRY|OCI)_.*"
    r"|GO[A-Z0-9]+|_?(?:CONTAINER|DOCKER|PODMAN|BUILDAH|CRUN|RUNC).*|(?i:.*_proxy)"
)
_COMPLAINT = re.compile(
    r"(?:Error: |docker: (?:Error response from daemon: )?|(ERROR \(catatonit:\d+\): )|\[FATAL tini \(\d+\)\] )(.+)"
)
_TAIL_BYTES = 4096
_NOTICE_S = 2.0  # for a client to hear of its container's end


class ContainerTask:
    """One task with an image."""

    def __init__(self, ledger: TaskStateWriter, stop: StopSignal) -> None:
        self._ledger = ledger
        self._stop = stop
        assert ledger.spec.container is not None  # only for such a task is this loaded
        self._plan = ledger.spec.container
        self._engine = ContainerEngine.parse(self._plan.engine)
        self._image = self._plan.image
        self._look_at: float | None = None

    def fetch(self) -> TaskOutcome | None:
        """None once the image is on this machine, else the end of the task."""
        for name in (self._image, qualify_image(self._image)):
            if self._engine.has_image(name):
                self._image = name
                return None
        self._image = qualify_image(self._image)
        return ImagePull(self._ledger, self._stop, self._engine).run(self._image)

    def enqueue(self) -> None:
        """From now on it waits for GPUs, at the place it got when it was submitted. Twice is safe."""
        with queue.queue_lock(self._ledger.task.root):
            queue.enqueue(self._ledger.task, self._ledger.spec)

    def launch(self, rank: int, env: Mapping[str, str], binds: Sequence[Mount], gpus: Sequence[str]) -> ProcessLaunch:
        """The client that runs a rank; `env` is what the task itself is to see.

        It inherits no lock on a GPU: what an engine starts on the side would hold it for ever. The lease does instead.
        """
        client, inside = self._engine.environment, self._variables(env, gpus)
        direct = {name: value for name, value in inside.items() if "\n" in value or not _STEERS_CLIENT.fullmatch(name)}
        container = Container(
            engine=self._engine,
            image=self._image,
            name=container_name(self._ledger.task.task_id, self._ledger.state.attempt, rank),
            mark=self._ledger.spec.mark,
            argv=self._ledger.spec.argv,
            is_line=self._plan.is_line,
            working_dir=self._plan.working_dir,
            binds=add_workspace(self._ledger.state.working_dir, binds),
            gpus=gpus,
            variables=sorted(direct),
            env_file=str(self._write_rest(rank, inside, direct)),
            on_terminal=self._ledger.spec.tty,
        )
        return ProcessLaunch(container.run(), {**client, **direct}, str(self._ledger.task.path))

    def note_unknown_exit(self) -> None:
        """A process ended that no rank is: maybe the monitor that podman has beside each container."""
        if self._engine.name == "podman":
            self._look_at = time.monotonic() + _NOTICE_S

    @property
    def check_in_s(self) -> float | None:
        """When to ask for those who are forsaken."""
        return None if self._look_at is None else max(0.0, self._look_at - time.monotonic())

    def kill_orphaned_clients(self, running: Mapping[int, int]) -> None:
        """Ends clients (rank by pid) whose container's monitor was killed: they would wait for its word for ever."""
        if self._look_at is None or time.monotonic() < self._look_at:
            return
        self._look_at = None
        table = list_processes()
        for pid, rank in running.items():
            name = container_name(self._ledger.task.task_id, self._ledger.state.attempt, rank)
            is_watched = any(has_argument(other, f"\0-n\0{name}\0") for other in table)
            if not is_watched and self._has_started(name):
                os.kill(pid, signal.SIGKILL)  # our child, and not yet reaped

    def end(self, children: Sequence[ProcessIdentity], pause: Callable[[float], None]) -> None:
        """Returns when no container of the task is left, nor anything that would start one."""
        tree = ProcessTree(self._ledger.spec.mark, children, os.getpid())
        end = ContainerEnd(self._engine, self._ledger.task.task_id, tree)
        end.run(read_grace_s(), pause, self._stop.is_urgent, self._say_silent)

    def explain_exit(self, code: int, message: str, files: SpoolFiles) -> tuple[int, str]:
        """The exit code and message of a rank, with the engine's own words where it was the engine that failed."""
        found = _COMPLAINT.fullmatch(find_last_line(_tail(files.log))) if code in (1, 125, 126, 127) else None
        if found is None or (code == 1 and not found[1]):
            return code, message
        # podman's init says with 1 that there is no such command.
        return (127 if found[1] else code), f"{self._engine.name}: {found[2]}"

    def _has_started(self, name: str) -> bool:
        """False also for a container that ended as it should, and whose client only tidies up."""
        try:
            state, code = self._engine.state_of(name)
        except (EngineError, FileNotFoundError):
            return False
        return state == "running" or code == -1

    def _variables(self, env: Mapping[str, str], gpus: Sequence[str]) -> dict[str, str]:
        inside = {**self._plan.defaults, **env}
        if not gpus or self._engine.name == "podman":
            # Images say "all" here, and where NVIDIA's hook is the default it would listen.
            inside["NVIDIA_VISIBLE_DEVICES"] = "void"
        return inside

    def _write_rest(self, rank: int, inside: Mapping[str, str], direct: Mapping[str, str]) -> Path:
        path = self._ledger.task.path / f"env-{rank}"
        lines = [f"{name}={value}\n" for name, value in inside.items() if name not in direct]
        with open(path, "w", encoding="utf-8", errors="surrogateescape", opener=private_opener) as stream:
            stream.writelines(lines)
        return path

    def _say_silent(self, why: str) -> None:
        self._ledger.say(f"{self._engine.name} does not say whether the container still runs: {why}")


def qualify_image(image: str) -> str:
    """The name with its registry, which podman would ask for: docker's own where none is named."""
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
