"""This machine as a login node: commands, shells, files and ports without SSH."""

from __future__ import annotations

import asyncio
import os
import pwd
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.errors import Unreachable
from flow_core.models.completed_command import CompletedCommand
from flow_core.providers.this_machine.copying import copy_file
from flow_core.providers.this_machine.piped_process import (
    PIECE,
    collect_output,
    kill_group,
    read_result,
    start_process,
)
from flow_core.providers.this_machine.port_forward import PortForward
from flow_core.providers.this_machine.terminal_shell import TerminalShell, open_terminal_shell
from flow_core.ssh.remote_file_follow import FilePiece, follow_file
from flow_core.upload.local_folder import LocalFolder

if TYPE_CHECKING:
    from flow_core.providers.contract.access import OnOutput

_TITLE = "this machine"


class LocalHost:
    """The part of an SshHost that tasks need, on this machine. Its commands run in the user's home.

    Commands inherit the environment of this process. Many coroutines of one event loop may share it.
    """

    title = _TITLE

    def __init__(self) -> None:
        self._processes: set[Process] = set()
        self._shells: list[TerminalShell] = []
        self._forwards: list[PortForward] = []
        self._is_closed = False

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        """Runs a line for sh. Collects its output, or passes it to `on_output`.

        Two calls run it twice. After `timeout_s` (None: never) it kills the command with what it started, and raises
        Unreachable. Cancelling kills the command too. Background processes of an ended command continue.
        """
        async with self._start_process(command) as process:
            result = await collect_output(process, timeout_s=timeout_s, stdin=stdin, on_output=on_output)
        self._check_open()
        return result

    @asynccontextmanager
    async def start(self, command: str) -> AsyncIterator[LocalCommand]:
        """Starts a line for sh; the caller reads and writes its streams. Kills the command on exit."""
        async with self._start_process(command) as process:
            yield LocalCommand(process)

    async def open_shell(
        self, *, columns: int, rows: int, command: str | None = None, term: str = "xterm-256color"
    ) -> TerminalShell:
        """Opens a login shell (or a line for sh) on a terminal. The caller closes it. Raises ProviderError."""
        self._check_open()
        argv = [_find_login_shell(), "-l"] if command is None else ["/bin/sh", "-c", command]
        shell = await open_terminal_shell(
            _TITLE, argv, columns=columns, rows=rows, env={**os.environ, "TERM": term}, folder=_find_home()
        )
        self._shells = [*(each for each in self._shells if not each.is_over), shell]
        return shell

    @property
    def files(self) -> LocalFiles:
        """Copies single files."""
        return LocalFiles()

    def folder(self, path: str) -> LocalFolder:
        """Returns a folder, relative to the user's home, for flow_core.upload.folder_upload.upload."""
        return LocalFolder(Path(_find_home(), path))

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
        return follow_file(self, path, offset, inode, until=until, reconnect_timeout_s=reconnect_timeout_s)

    async def forward(self, remote_port: int, local_port: int = 0, *, remote_host: str = "127.0.0.1") -> PortForward:
        """Opens a port of the loopback (0: any free one) that leads to a port that this machine can reach.

        Raises Conflict if the port is in use.
        """
        self._check_open()
        forward = PortForward(remote_host, remote_port)
        await forward.listen(local_port)
        self._forwards = [*(each for each in self._forwards if not each.is_closed), forward]
        return forward

    async def close(self) -> None:
        """Ends everything that still runs. Calling it again is safe."""
        self._is_closed = True
        for process in self._processes:
            kill_group(process)
        open_parts: tuple[TerminalShell | PortForward, ...] = (*self._shells, *self._forwards)
        await asyncio.gather(*(each.close() for each in open_parts))

    @asynccontextmanager
    async def _start_process(self, command: str) -> AsyncIterator[Process]:
        self._check_open()
        async with start_process(["/bin/sh", "-c", command], folder=_find_home()) as process:
            self._processes.add(process)
            try:
                yield process
            finally:
                self._processes.discard(process)

    def _check_open(self) -> None:
        if self._is_closed:
            raise Unreachable("the context was closed; open it again")


class LocalCommand:
    """A command that runs. Read both streams: the command blocks while one of them is not read."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self, stream: int = 1) -> bytes:
        """Returns the next piece of stdout (1) or stderr (2), at most 64 KiB; returns b"" at the end."""
        reader = self._process.stdout if stream == 1 else self._process.stderr
        return await reader.read(PIECE) if reader is not None else b""

    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin. Drops the data if the command no longer reads."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    def write_eof(self) -> None:
        """Closes the command's stdin. Calling it again is safe."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    @property
    def result(self) -> CompletedCommand | None:
        """The result without the output; None while the command runs."""
        return read_result(self._process)


class LocalFiles:
    """Copies of single files of this machine. Paths are absolute or relative to the user's home."""

    async def download(self, path: str, target: Path) -> int:
        """Copies a file completely or not at all, with its mode; returns its size. Calling it again is safe.

        Raises NotFound, AuthError, ConfigError if it is no regular file, ProviderError.
        """
        return await copy_file(Path(_find_home(), path), target)

    async def upload(self, source: Path, path: str) -> int:
        """Copies a file as `download` does, in the other direction."""
        return await copy_file(source, Path(_find_home(), path))


def _find_home() -> str:
    """Returns the folder in which commands run: the home, or / if there is none, as sshd does."""
    home = os.path.expanduser("~")
    return home if os.path.isdir(home) else "/"


def _find_login_shell() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:
        return os.environ.get("SHELL") or "/bin/sh"
