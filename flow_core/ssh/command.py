"""Runs one command on a host, regardless of earlier output of its login shell."""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import asyncssh

from flow_core.errors import FlowError, Unreachable
from flow_core.models.completed_command import BoundedOutput, CompletedCommand
from flow_core.ssh import failures
from flow_core.ssh.connection_pool import ConnectionPool
from flow_core.ssh.quoting import build_sh_command
from flow_core.ssh.settings import HostSettings
from flow_core.ssh.stream import PIECE, STDERR, ChannelStream

_WINDOW = 4 << 20  # receive window, buffered here for a slow reader; a smaller one costs speed
_MAX_PREAMBLE_BYTES = 1 << 10
_IDLE_S = 0.2
_SIGNAL_S = 0.2
_END_S = 2.0
_KILL_S = 5.0
Session = tuple[asyncssh.SSHClientConnection, asyncssh.SSHClientChannel[bytes], ChannelStream]
"""The connection is kept beside the channel: a channel forgets its connection when it closes."""
OnOutput = Callable[[int, bytes], Awaitable[None]]


class RunningCommand:
    """A command that runs. Read both streams: the remote side blocks while one of them is not read."""

    def __init__(self, settings: HostSettings, session: Session, marker: bytes) -> None:
        connection, channel, stream = session
        self._settings = settings
        self._channel = channel
        self._stream = stream
        self._connection = connection
        self._out = _OutputAfterMarker(marker)
        self._err = _OutputAfterMarker(marker)
        self._buffered = {1: b"", 2: b""}
        self.is_ended = False

    async def wait_started(self) -> None:
        """Waits until flow's sh has started on the remote side; drops the earlier output of the login shell.

        Also returns when both streams have ended.
        """
        await asyncio.gather(*(self._find_marker(stream) for stream in (1, 2)))

    async def _find_marker(self, stream: int) -> None:
        self._buffered[stream] = await self.read(stream, until_started=True)

    async def read(self, stream: int = 1, *, until_started: bool = False) -> bytes:
        """Returns the next piece of stdout (1) or stderr (2), at most 64 KiB; returns b"" at the end.

        Raises Unreachable.

        `until_started` also returns when the marker has arrived and no output has followed yet.
        """
        if buffered := self._buffered[stream]:
            self._buffered[stream] = b""
            return buffered
        source, filtered = (None, self._out) if stream == 1 else (STDERR, self._err)
        while not (until_started and filtered.has_found_marker):
            try:
                piece = await self._stream.read(source)
            except failures.CONNECTION_ERRORS as error:
                raise failures.connection_lost_error(self._settings, "a command ran") from error
            if not piece:
                return b""
            if data := filtered.take(piece):
                return data
        return b""

    async def write(self, data: bytes) -> None:
        """Writes to the command's stdin. Drops the data if the command no longer reads."""
        with suppress(*failures.CONNECTION_ERRORS, OSError):
            for start in range(0, len(data), PIECE):
                await self._stream.write(data[start : start + PIECE])

    def write_eof(self) -> None:
        with suppress(*failures.CONNECTION_ERRORS, OSError):
            self._stream.write_eof()

    @property
    def result(self) -> CompletedCommand | None:
        """The result without the output; None while the command runs."""
        if (killed := self._channel.get_exit_signal()) is not None:
            name = killed[0]
            number = getattr(signal, f"SIG{name}", None)
            return CompletedCommand(128 + int(number or 0), signal=name)
        code = self._channel.get_exit_status()
        return None if code is None else CompletedCommand(code)

    async def wait_closed(self) -> None:
        """Waits until the channel is closed. The keepalive detects a lost connection."""
        await self._channel.wait_closed()

    @property
    def preamble(self) -> str:
        """The output that came before the marker, or instead of it."""
        return (self._out.preamble + self._err.preamble).decode("utf-8", "replace").strip()

    @property
    def has_started(self) -> bool:
        return self._out.has_found_marker or self._err.has_found_marker

    async def end(self) -> int | None:
        """Closes the channel and kills the command if it still runs. Calling it again is safe.

        Returns the id of the process group if it may still run because the server passed no signal on; otherwise None.
        """
        self.is_ended = True
        if self.result is None:
            with suppress(OSError, asyncssh.Error):
                self._channel.send_signal("KILL")
            await self._wait_closed_within(_SIGNAL_S)
            await self._read_pid()
        self._channel.close()
        if self.result is None and not self._connection.is_closed():
            return self._out.pid
        await self._wait_closed_within(_END_S)
        return None

    async def _read_pid(self) -> None:
        """Reads the id of our sh if a command is ended before that has arrived."""
        with suppress(*failures.CONNECTION_ERRORS, OSError, TimeoutError):
            async with asyncio.timeout(_END_S):
                while self._out.pid is None and (piece := await self._stream.read()):
                    self._out.take(piece)

    async def _wait_closed_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._channel.wait_closed()


@asynccontextmanager
async def start_command(
    pool: ConnectionPool, settings: HostSettings, command: str, stdin: bytes | None = None
) -> AsyncIterator[RunningCommand]:
    """Runs `command` with sh on the host: yields it once it has started, and ends it on exit.

    `stdin` is the whole input; without it the caller writes. The start-up files of the login shell may run for as long
    as a login may take. Raises ProviderError if the server ran another program instead.
    """
    token = f"flow-{secrets.token_hex(12)}"
    # The login shell may be any program and may print anything first. Output after the marker comes from flow's sh.
    script = f"printf '\\036{token} %s\\036' $$; printf '\\036{token} %s\\036' $$ >&2\n{command}"
    marker = f"\x1e{token} ".encode()
    leftover_group: int | None = None
    opening: asyncio.Task[Session] | None = None
    running: RunningCommand | None = None

    async def open_session(connection: asyncssh.SSHClientConnection) -> Session:
        nonlocal opening
        opening = asyncio.create_task(_start(connection, script))
        return await asyncio.shield(opening)

    try:
        async with pool.session(open_session) as session:
            running = RunningCommand(settings, session, marker)
            stdin_task = asyncio.create_task(_write_stdin(running, stdin)) if stdin is not None else None
            with pool.call_before_close(partial(_end_command, pool, running)):
                try:
                    await pool.make_login_wait("to start a command; a start-up file of your shell may take long").run(
                        running.wait_started()
                    )
                    await _check_started(settings, running)
                    yield running
                finally:
                    leftover_group = await running.end()
                    if stdin_task is not None:
                        stdin_task.cancel()
                        await asyncio.wait((stdin_task,))
    finally:
        if running is None and opening is not None:
            leftover_group = await _end_opened(settings, opening, marker)
        if leftover_group is not None:
            await _kill(pool, leftover_group)


async def _end_opened(settings: HostSettings, opening: asyncio.Task[Session], marker: bytes) -> int | None:
    """Ends the session of a start that was cancelled: the server may have started the command already.

    Returns what `RunningCommand.end` returns.
    """
    with suppress(OSError, asyncssh.Error, TimeoutError):
        async with asyncio.timeout(_END_S):
            session = await opening
        return await RunningCommand(settings, session, marker).end()
    return None


async def _write_stdin(running: RunningCommand, stdin: bytes) -> None:
    await running.write(stdin)
    running.write_eof()


async def _check_started(settings: HostSettings, running: RunningCommand) -> None:
    """Raises the reason if our sh did not start."""
    if running.has_started or running.is_ended:
        return
    await running.wait_closed()
    if (result := running.result) is None:
        raise failures.connection_lost_error(settings, "a command was started")
    raise failures.command_error(settings, result.exit_code, running.preamble)


async def run_command(
    pool: ConnectionPool,
    settings: HostSettings,
    command: str,
    *,
    timeout_s: float | None,
    stdin: bytes,
    on_output: OnOutput | None,
) -> CompletedCommand:
    """Runs `command` with sh on the host and returns its result.

    Collects the output, or passes it to `on_output`. Kills the command after `timeout_s` (None: never) and raises
    Unreachable.
    """
    output = BoundedOutput()
    timer: asyncio.Timeout | None = None
    try:
        async with pool.deadline(timeout_s) as timer, start_command(pool, settings, command, stdin) as running:
            result = await _read_output(running, on_output or output.take)
            if running.is_ended:
                raise Unreachable(f"the connections to {settings.alias!r} were closed while a command ran")
    except TimeoutError:
        if timer is None or not timer.expired():
            raise
        raise Unreachable(
            f"the command on {settings.alias!r} did not end within {timeout_s:g} s and was stopped"
        ) from None
    if result is None:
        raise failures.connection_lost_error(settings, "a command ran")
    return CompletedCommand(
        result.exit_code, bytes(output.data[1]), bytes(output.data[2]), output.is_cut, result.signal
    )


async def _end_command(pool: ConnectionPool, running: RunningCommand) -> None:
    leftover_group = await running.end()
    if leftover_group is not None:
        await _kill(pool, leftover_group)


async def _kill(pool: ConnectionPool, group: int) -> None:
    """Kills a process group with a second session. Some servers pass no signals on, such as OpenSSH for root.

    Ignores errors: no other way to reach the group is left.
    """
    with suppress(FlowError, OSError, asyncssh.Error, TimeoutError):
        async with (
            asyncio.timeout(_KILL_S),
            pool.session(partial(_start, script=f"kill -s KILL -- -{group}")) as (_, channel, _),
        ):
            await channel.wait_closed()


async def _start(connection: asyncssh.SSHClientConnection, script: str) -> Session:
    channel, stream = await connection.create_session(
        ChannelStream, build_sh_command(script), encoding=None, window=_WINDOW, max_pktsize=PIECE
    )
    return connection, channel, cast(ChannelStream, stream)


async def _read_output(running: RunningCommand, take: OnOutput) -> CompletedCommand | None:
    """Reads both streams until the command has ended.

    A background process may keep the streams open; that does not delay the result.
    """
    pieces = 0

    async def drain(stream: int) -> None:
        nonlocal pieces
        while piece := await running.read(stream):
            pieces += 1
            await take(stream, piece)

    readers = [asyncio.create_task(drain(stream)) for stream in (1, 2)]
    try:
        while True:
            before = pieces
            _, pending = await asyncio.wait(readers, timeout=_IDLE_S, return_when=asyncio.FIRST_EXCEPTION)
            for reader in readers:
                if reader.done():
                    reader.result()
            if not pending or (running.result is not None and pieces == before):
                return running.result or await _wait_for_result(running)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _wait_for_result(running: RunningCommand) -> CompletedCommand | None:
    """Waits for the exit code, which arrives after the end of the streams."""
    await running.wait_closed()
    return running.result


class _OutputAfterMarker:
    """A stream without the bytes before its marker. `preamble` keeps the end of those bytes.

    The marker is followed by the id of our sh, which leads the command's process group.
    """

    def __init__(self, marker: bytes) -> None:
        self.has_found_marker = False
        self.preamble = b""
        self.pid: int | None = None
        self._marker = re.compile(re.escape(marker) + rb"(\d+)\x1e")

    def take(self, piece: bytes) -> bytes:
        if self.has_found_marker:
            return piece
        received = self.preamble + piece
        found = self._marker.search(received)
        if found is None:
            self.preamble = received[-_MAX_PREAMBLE_BYTES:]
            return b""
        self.has_found_marker, self.preamble, self.pid = True, b"", int(found[1])
        return received[found.end() :]
