"""The facets for access to running tasks: shells, commands, files, endpoints, tunnels.

`node` counts a task's instances from 0. Every method raises NotFound for an unknown task, Conflict for one that
doesn't run, and ConfigError (field "node") for a node it doesn't have; all but those of `Shell` end within a deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.completed_command import CompletedCommand
    from flow_core.upload.report import OnProgress, UploadResult


class Shell(Protocol):
    """An interactive terminal on a node. Whoever opened it has to close it."""

    title: str

    def read(self) -> AsyncIterator[bytes]:
        """Output as it comes, in pieces of at most 64 KiB, until the shell ends. May be iterated once.

        The node pauses its output until the next piece is requested.
        """

    async def write(self, data: bytes) -> None:
        """Sends keys. Raises Unreachable when the shell is gone."""

    async def resize(self, columns: int, rows: int) -> None:
        """Sets the size of the terminal. Twice is safe; without effect after the end."""

    async def wait(self) -> int:
        """The exit code once the shell has ended."""

    async def close(self) -> None:
        """Closes the terminal; the shell gets SIGHUP. Twice is safe."""


class ShellFacet(Protocol):
    """Terminals inside running tasks."""

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        """A login shell (or `command`) in the task's directory, with its environment, on a terminal."""

    async def directory(self, task_id: str) -> Path | None:
        """The working directory, where it is on this machine; else None. A finished task still has one."""


OnOutput = Callable[[int, bytes], Awaitable[None]]
"""Takes output as it comes: 1 for stdout or 2 for stderr, and the bytes. The command waits for it."""


class RemoteOperations(Protocol):
    """Single commands inside running tasks, without a terminal."""

    async def run(
        self,
        task_id: str,
        command: str,
        *,
        node: int = 0,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        """Runs a shell line in the task's directory with its environment.

        Collects the output, or passes it to `on_output`. Not safe twice. After `timeout_s` (None: never) ends the
        command and raises Unreachable; cancelling ends it too.
        """


class UploadFacet(Protocol):
    """Files from this machine into a task, and single files back."""

    async def upload(
        self,
        task_id: str,
        source_dir: Path,
        target_dir: str,
        *,
        git_incremental: bool | None = None,
        timeout_s: float = 600,
        on_progress: OnProgress | None = None,
    ) -> UploadResult:
        """Copies the changed files of `source_dir` to `target_dir`, without those that its ignore files name.

        `/workspace` is the task's directory. Deletes a file there only if an earlier upload of the same source put it
        there, the source no longer has it, and nobody changed it. Twice is safe. Raises ConfigError (source or target),
        NotFound, Conflict (the task has ended, another upload is under way), ProviderError, and Unreachable after
        `timeout_s`; every file that arrived until then is complete.
        """

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        """Copies one file to where the task sees `target`, whole or not at all, with its mode.

        It may take any time while data arrives. Works after the end of the task too, where its files still exist. Twice
        is safe. Raises ConfigError, NotFound (the task or the folder), Conflict (its files are gone), AuthError,
        ProviderError, Unreachable.
        """

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        """Copies the file that the task sees at `source` to this machine, whole or not at all. As `put_file`."""


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """The address of a node. `key_path` is the private key that it accepts, where that is known.

    `known_hosts` is a file that contains the host's key, under `host_key_alias` where that is given. Without one, only
    the user's own known_hosts files count.
    """

    host: str
    port: int
    user: str
    key_path: Path | None = None
    known_hosts: Path | None = None
    host_key_alias: str | None = None


class EndpointFacet(Protocol):
    """SSH into tasks."""

    async def resolve(self, task_id: str, node: int | None = None) -> SshEndpoint:
        """The endpoint of a node; without one, of the newest that runs. Twice is safe."""

    async def is_ready(self, task_id: str) -> bool:
        """Whether SSH answers at that endpoint. Twice is safe."""

    async def command(self, task_id: str) -> str:
        """The system's `ssh` command that enters the task, complete. Twice is safe."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A port of this machine that is forwarded to a port of a task."""

    tunnel_id: str
    task_id: str
    local_port: int
    remote_port: int


class SshTunnelManager(Protocol):
    """Tunnels to ports of tasks. A tunnel survives reconnects and ends with its task."""

    async def open(self, task_id: str, remote_port: int, local_port: int = 0, *, node: int = 0) -> Tunnel:
        """Forwards `local_port` (0: any free one) of the loopback. Not safe twice. Raises Conflict (in use)."""

    async def list(self, task_id: str | None = None) -> tuple[Tunnel, ...]:
        """The open tunnels, of one task or of all. At once."""

    async def close(self, tunnel_id: str) -> None:
        """Twice is safe."""
