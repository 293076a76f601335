"""The information of a provider over SSH about its tasks: how to reach their nodes, and where their logs are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from flow_core.logs.log_id import LogId
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines
    from flow_core.models.completed_command import CompletedCommand
    from flow_core.providers.contract.access import OnOutput, Shell
    from flow_core.ssh.remote_file_follow import FilePiece, StartedCommand
    from flow_core.upload.destination import UploadDestination


class HostFiles(Protocol):
    """The files of a host. Paths are absolute or relative to the user's home."""

    async def download(self, path: str, target: Path) -> int:
        """Copies a file to this machine completely or not at all, with its mode; returns its size."""

    async def upload(self, source: Path, path: str) -> int:
        """Copies a file to the host completely or not at all, with its mode; returns its size."""


class HostForward(Protocol):
    """A port of this machine that leads to a port that the host can reach."""

    local_port: int
    is_closed: bool

    async def close(self) -> None:
        """Closes the port and its connections. Calling it again is safe."""


class Host(Protocol):
    """A machine on which commands run for a task: `flow_core.ssh.host.SshHost`, or this machine without SSH.

    Every method has the meaning and the errors that it has for an SshHost.
    """

    @property
    def title(self) -> str:
        """The host in a sentence."""

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        """Runs a line for sh in the user's home. Kills it after `timeout_s` and raises Unreachable."""

    def start(self, command: str) -> AbstractAsyncContextManager[StartedCommand]:
        """Starts a line for sh; the caller reads its stdout. Kills the command on exit."""

    async def open_shell(self, *, columns: int, rows: int, command: str | None = None) -> Shell:
        """Opens a login shell (or `command`) on a terminal. The caller closes it."""

    @property
    def files(self) -> HostFiles:
        """Transfers single files."""

    def folder(self, path: str) -> UploadDestination:
        """Returns a folder, relative to the user's home, for flow_core.upload.folder_upload.upload."""

    def follow(
        self,
        path: str,
        offset: int = 0,
        inode: int | None = None,
        *,
        until: asyncio.Event | None = None,
        reconnect_timeout_s: float | None = None,
    ) -> AsyncGenerator[FilePiece, None]:
        """Follows a growing file from a byte offset on; see flow_core.ssh.remote_file_follow.

        Read it under `aclosing`.
        """

    async def forward(self, remote_port: int, local_port: int = 0, *, remote_host: str = "127.0.0.1") -> HostForward:
        """Opens a port of this machine's loopback (0: any free one) that leads to a port of the host."""


@dataclass(frozen=True, slots=True)
class TaskNode:
    """One node of a task.

    `directory` is the task's directory on the node, absolute. `enter` builds the line for sh that runs a command there
    (None: a login shell) with the task's environment, replacing that sh. `address` is the address of the node's ports,
    as seen from the host. `name` is the user's name for the task; empty if it has none. The line of `enter` must not
    contain a secret: it is shown to the user, and in lists of processes.

    The node may be a machine that only the host reaches. Then `on_machine` builds the line for sh on the host that runs
    a script for sh there, and ends with it, and `machine` is its name. Nodes of a host with the same `machine` share
    their measurements.
    """

    host: Host
    directory: str
    enter: Callable[[str | None], str]
    address: str = "127.0.0.1"
    name: str = ""
    machine: str = ""
    on_machine: Callable[[str], str] | None = None


class TaskLocator(Protocol):
    """Finds the nodes of running tasks. Every method raises NotFound for an unknown task, and Unreachable."""

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        """Finds a node. Raises Conflict for a task that doesn't run, ConfigError (field "node") for an unknown node.

        With `also_ended` it finds the node of an ended task too, as long as its files exist.
        """

    async def is_over(self, task_id: str) -> bool:
        """Returns whether the task is known to have ended; makes no more requests than the provider's list does."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """The file in which a log grows, absolute, on its host.

    `machine` identifies the machine if a task may move to another one: files of two machines may look the same.
    """

    host: Host
    path: str
    machine: str = ""


class LogSources(Protocol):
    """Finds log files. Every method raises NotFound for an unknown task or log, and Unreachable."""

    context: str

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        """Returns the ids of all logs of a task, by attempt and rank; empty before it started."""

    async def find_file(self, address: LogId) -> LogFile | None:
        """Returns the file of a log; None while it can't exist yet, or if its machine no longer exists."""

    async def find_lines(self, address: LogId, request: LineRequest) -> StoredLines:
        """Finds lines of a log where it is stored. A log that can't exist yet has none."""

    async def find_startup_log(self, task_id: str, node: int) -> LogFile:
        """Returns the startup log of a node.

        Raises Conflict if the node can't be reached, ConfigError (field "node") for a node that doesn't exist, and
        Unsupported if machines have no startup script.
        """

    async def is_over(self, address: LogId) -> bool:
        """Returns whether the host adds nothing more to the log."""
