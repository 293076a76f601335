"""The facets for access to running tasks: shells, commands, files, endpoints, tunnels.

`node` counts a task's instances from 0. Every method raises NotFound for an unknown task, Conflict for a task that
doesn't run, and ConfigError (field "node") for a node that the task doesn't have. All methods but those of `Shell` end
within a deadline.
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
    """An interactive terminal on a node. The caller that opens it has to close it."""

    title: str

    def read(self) -> AsyncIterator[bytes]:
        """Yields the output as it arrives, in pieces of at most 64 KiB, until the shell ends. May be iterated once.

        The node pauses its output until the next piece is requested.
        """

    async def write(self, data: bytes) -> None:
        """Sends keys. Raises Unreachable after the shell has ended."""

    async def resize(self, columns: int, rows: int) -> None:
        """Sets the size of the terminal. Calling it again is safe; it has no effect after the end."""

    async def wait(self) -> int:
        """Waits until the shell has ended, and returns its exit code."""

    async def close(self) -> None:
        """Closes the terminal; the shell gets SIGHUP. Calling it again is safe."""


class ShellFacet(Protocol):
    """Terminals inside running tasks."""

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None, node: int = 0) -> Shell:
        """Opens a login shell (or `command`) on a terminal, in the task's directory and with its environment."""

    async def directory(self, task_id: str) -> Path | None:
        """Returns the task's working directory if it is on this machine; otherwise None.

        Works for a finished task too.
        """


OnOutput = Callable[[int, bytes], Awaitable[None]]
"""Takes output as it arrives: 1 for stdout or 2 for stderr, and the bytes. The command waits for it."""


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

        Collects the output, or passes it to `on_output`. Calling it again runs the line again. After `timeout_s` (None:
        never) it ends the command and raises Unreachable; cancelling ends the command too.
        """


class UploadFacet(Protocol):
    """Uploads from this machine into a task, and downloads of single files."""

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

        `/workspace` is the task's directory. Deletes a file there only if an earlier upload of the same source created
        it, the source no longer has it, and it is unchanged since. Calling it again is safe. Raises ConfigError (source
        or target), NotFound, Conflict (the task has ended, or another upload is running), ProviderError, and
        Unreachable after `timeout_s`; every file that arrived until then is complete.
        """

    async def put_file(self, task_id: str, source: Path, target: str, *, node: int = 0) -> None:
        """Copies one file to the path that the task sees as `target`, completely or not at all, with its mode.

        Has no deadline while data arrives. Works after the end of the task too, as long as its files exist. Calling it
        again is safe. Raises ConfigError, NotFound (the task or the folder), Conflict (its files were removed),
        AuthError, ProviderError, Unreachable.
        """

    async def get_file(self, task_id: str, source: str, target: Path, *, node: int = 0) -> None:
        """Copies the file that the task sees at `source` to this machine, completely or not at all.

        Deadline, repeated calls and errors: as for `put_file`.
        """


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """The address of a node. `key_path` is the private key that it accepts, if that is known.

    `known_hosts` is a file that contains the host's key, under `host_key_alias` if that is set. Without `known_hosts`,
    only the user's own known_hosts files apply.
    """

    host: str
    port: int
    user: str
    key_path: Path | None = None
    known_hosts: Path | None = None
    host_key_alias: str | None = None


class EndpointFacet(Protocol):
    """SSH endpoints of tasks."""

    async def resolve(self, task_id: str, node: int | None = None) -> SshEndpoint:
        """Returns the endpoint of a node; without a node, of the newest that runs. Calling it again is safe."""

    async def is_ready(self, task_id: str) -> bool:
        """Returns whether SSH responds at that endpoint. Calling it again is safe."""

    async def command(self, task_id: str) -> str:
        """Returns the complete `ssh` command that enters the task. Calling it again is safe."""


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
        """Forwards `local_port` (0: any free port) of the loopback. Two calls open two tunnels.

        Raises Conflict (in use).
        """

    async def list(self, task_id: str | None = None) -> tuple[Tunnel, ...]:
        """Returns the open tunnels, of one task or of all. Makes no request."""

    async def close(self, tunnel_id: str) -> None:
        """Closes a tunnel. Calling it again is safe."""
