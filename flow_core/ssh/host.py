"""One host over SSH: commands, shells, files and ports. Providers use it; it is also public."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flow_core.ssh.settings import HostSettings
from flow_core.ssh.ssh_config import SshConfigOverrides, find_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from flow_core.models.completed_command import CompletedCommand
    from flow_core.prompter import Prompter
    from flow_core.ssh.command import OnOutput, RunningCommand
    from flow_core.ssh.connection import Connection
    from flow_core.ssh.connection_pool import ConnectionPool
    from flow_core.ssh.files import RemoteFiles
    from flow_core.ssh.forwards import Forward, Forwards, RemoteForward
    from flow_core.ssh.identities import Keyring
    from flow_core.ssh.remote_file_follow import FilePiece
    from flow_core.ssh.sftp_upload_destination import SftpFolder
    from flow_core.ssh.shell import RemoteShell


class SshHost:
    """A machine, reached as the user's ssh would reach it. It connects on demand.

    Many coroutines of one event loop may share it. `prompter` asks the user; without one, a prompt raises AuthError.
    Every method may raise HostKeyUnknown, HostKeyChanged, AuthError, NotFound (no such host) and Unreachable. The next
    call reconnects after a lost connection.
    """

    def __init__(self, settings: HostSettings, *, prompter: Prompter | None = None) -> None:
        self.settings = settings
        self._prompter = prompter
        self._resources: tuple[ConnectionPool, Keyring, Forwards] | None = None
        self._shells: list[RemoteShell] = []
        self._shell_logins = asyncio.Lock()

    @classmethod
    async def find(
        cls,
        name: str,
        *,
        config: Path | None = None,
        overrides: SshConfigOverrides | None = None,
        prompter: Prompter | None = None,
    ) -> Self:
        """Returns a host by its alias, such as a name of ~/.ssh/config. Raises ConfigError."""
        return cls(
            await find_settings(name, config=config, overrides=overrides or SshConfigOverrides()), prompter=prompter
        )

    @property
    def title(self) -> str:
        """The host in a sentence."""
        return repr(self.settings.alias)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self,
        command: str,
        *,
        timeout_s: float | None = 600,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> CompletedCommand:
        """Runs a line for sh in the user's home. Collects its output, or passes it to `on_output`.

        Two calls run it twice. After `timeout_s` (None: never), not counting the time of prompts, it kills the command
        and raises Unreachable. Cancelling kills the command too. Background processes of the command continue; `run`
        does not wait for them.
        """
        from flow_core.ssh.command import run_command  # lazy import: asyncssh takes 0.2 s

        pool, *_ = self._get_resources()
        return await run_command(pool, self.settings, command, timeout_s=timeout_s, stdin=stdin, on_output=on_output)

    def start(self, command: str) -> AbstractAsyncContextManager[RunningCommand]:
        """Starts a line for sh; the caller reads and writes its streams. Kills the command on exit."""
        from flow_core.ssh.command import start_command  # lazy import: asyncssh takes 0.2 s

        pool, *_ = self._get_resources()
        return start_command(pool, self.settings, command)

    async def open_shell(
        self, *, columns: int, rows: int, command: str | None = None, term: str = "xterm-256color"
    ) -> RemoteShell:
        """Opens a login shell (or `command`, or the config's RemoteCommand) on a terminal. The caller closes it.

        The shell has its own connection, so that nothing delays its echo. It shares the pool's connection if the login
        needed a prompt.
        """
        from flow_core.ssh.shell import open_shell  # lazy import: asyncssh takes 0.2 s

        pool, keyring, _ = self._get_resources()
        async with self._shell_logins:
            connection = await self._connection_for_shell(pool, keyring)
        command_line = self.settings.remote_command if command is None else command
        shell = await open_shell(self.settings, pool, connection, columns, rows, command_line, term)
        self._shells = [*(one for one in self._shells if not one.is_over), shell]
        return shell

    async def _connection_for_shell(self, pool: ConnectionPool, keyring: Keyring) -> Connection | None:
        """Returns a new connection for the shell; None if the shell must share one because a login needs a prompt."""
        from flow_core.ssh.connection import connect  # lazy import: asyncssh takes 0.2 s

        if await pool.has_prompted():
            return None
        connection = await connect(self.settings, self._prompter, keyring, pool.drop_lost)
        if not connection.has_prompted:
            return connection
        pool.add(connection)
        return None

    @property
    def files(self) -> RemoteFiles:
        """Transfers single files and ranges of bytes over SFTP."""
        from flow_core.ssh.files import RemoteFiles  # lazy import: asyncssh takes 0.2 s

        pool, *_ = self._get_resources()
        return RemoteFiles(pool, self.settings)

    def folder(self, path: str) -> SftpFolder:
        """Returns a folder, relative to the user's home, for flow_core.upload.folder_upload.upload."""
        from flow_core.ssh.sftp_upload_destination import SftpFolder  # lazy import: asyncssh takes 0.2 s

        pool, *_ = self._get_resources()
        return SftpFolder(pool, self.settings, path)

    def follow(
        self,
        path: str,
        offset: int = 0,
        inode: int | None = None,
        *,
        until: asyncio.Event | None = None,
        reconnect_timeout_s: float | None = None,
    ) -> AsyncGenerator[FilePiece, None]:
        """Follows a growing file from a byte offset on, as `remote_file_follow` does. Read it under `aclosing`."""
        from flow_core.ssh.remote_file_follow import follow_file  # lazy import: asyncssh takes 0.2 s

        return follow_file(self, path, offset, inode, until=until, reconnect_timeout_s=reconnect_timeout_s)

    async def forward(self, remote_port: int, local_port: int = 0, *, remote_host: str = "127.0.0.1") -> Forward:
        """Opens a port of this machine's loopback (0: any free one) that leads to a port of the host.

        Stays open across reconnects until it is closed. Raises Conflict if the port is in use.
        """
        *_, forwards = self._get_resources()
        return await forwards.open(remote_port, local_port, remote_host)

    async def forward_remote(self, local_port: int, remote_port: int = 0) -> RemoteForward:
        """Opens a port of the host's loopback (0: any free one) that leads to a port of this machine.

        Stays open across reconnects until it is closed. Raises Conflict if the host refuses the port.
        """
        *_, forwards = self._get_resources()
        return await forwards.open_remote(local_port, remote_port)

    @property
    def forwards(self) -> tuple[Forward | RemoteForward, ...]:
        """The open forwards."""
        return self._resources[2].all if self._resources is not None else ()

    @property
    def connection_count(self) -> int:
        """The number of open shared connections. Shells have separate connections."""
        return self._resources[0].count if self._resources is not None else 0

    async def close(self) -> None:
        """Ends everything that still runs. Calling it again is safe."""
        if self._resources is None:
            return
        pool, _, forwards = self._resources
        for shell in self._shells:
            await shell.close()
        await forwards.close()
        await pool.close()

    def _get_resources(self) -> tuple[ConnectionPool, Keyring, Forwards]:
        if self._resources is None:
            from flow_core.ssh.connection_pool import ConnectionPool
            from flow_core.ssh.forwards import Forwards  # lazy import: asyncssh takes 0.2 s
            from flow_core.ssh.identities import Keyring

            keyring = Keyring()
            pool = ConnectionPool(self.settings, self._prompter, keyring)
            self._resources = (pool, keyring, Forwards(pool, self.settings))
        return self._resources
