"""One session of an SSH connection: a shell, a command or a file server inside the task."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Protocol

import asyncssh

from flow_core.errors import FlowError
from flow_core.providers.local.inside.entering import Entry
from flow_core.providers.local.sshd.process import STDERR, Inside, PipedProcess
from flow_core.providers.local.sshd.terminal import TerminalProcess
from flow_core.ssh.valve import Valve

_REFUSED = 255
_MOST_STUCK = 1 << 20
_COLUMNS, _ROWS = 80, 24


class Door(Protocol):
    """The task that the connection leads to."""

    async def way_in(self, command: str | None, on_terminal: bool) -> Entry:
        """Raises FlowError."""

    async def way_to_files(self) -> Entry:
        """Raises FlowError."""

    def afterwards(self, leave: Callable[[], None]) -> None:
        """Does what a session leaves to be done, when it is gone."""


class TaskSession(asyncssh.SSHServerSession[bytes]):
    """Made by the server when a client opens it. Stdin waits until the process has been started."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._command: str | None = None
        self._on_terminal = self._for_files = False
        self._leave: Callable[[], None] | None = None
        self._inside: Inside | None = None
        self._early: list[bytes] = []
        self._has_eof = self._is_gone = self._is_choked = self._is_held = self._is_unwanted = False
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._valve: Valve
        self._starting: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._valve = Valve(chan)

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._on_terminal = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._for_files = subsystem == "sftp"
        self._on_terminal = False
        return self._for_files

    def session_started(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._inside is not None:
            self._inside.feed(data)
        else:
            self._early.append(data)
            self._valve.shut()

    def eof_received(self) -> bool:
        self._has_eof = True
        if self._inside is not None:
            self._inside.feed_eof()
        return True  # what it says may still go out

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._inside is not None:
            self._inside.resize(*self._size())

    def signal_received(self, signal: str) -> None:
        if self._inside is not None and (number := _number_of(signal)):
            self._inside.signal(number)

    def output_unwanted(self) -> None:
        """The client can't write what it gets: `ssh ... yes | head -1`."""
        self._is_unwanted = True
        if self._inside is not None:
            self._inside.mute()

    def pause_writing(self) -> None:
        self._hold(True)

    def resume_writing(self) -> None:
        self._hold(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._hang_up()

    def said(self, data: bytes, stream: int) -> None:
        is_stuck = self._is_unwanted and self._channel.get_write_buffer_size() > _MOST_STUCK
        if not self._is_gone and not is_stuck:
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if stream == STDERR else None)

    def input_is_full(self, is_full: bool) -> None:
        self._is_choked = is_full
        if not self._is_gone:
            (self._valve.shut if is_full else self._valve.open)()

    def ended(self, code: int) -> None:
        if self._is_gone:
            return
        if self._is_unwanted and self._channel.get_write_buffer_size():
            self._channel.abort()  # the client has no room for the rest, and never will
        elif code >= 0:
            self._channel.exit(code)
        else:
            self._channel.exit_with_signal(_name_of(-code))

    async def _start(self) -> None:
        try:
            door, on_terminal = self._door, self._on_terminal
            way = await (door.way_to_files() if self._for_files else door.way_in(self._command, on_terminal))
            self._leave = way.leave
            inside = await self._enter(way._replace(env={**way.env, **self._asked_for()}))
        except (FlowError, OSError) as error:
            self.said(f"flow: {error}\r\n".encode(), STDERR)
            self.ended(_REFUSED)
            return
        self._inside = inside
        if self._is_gone:
            self._hang_up()
            return
        for data in self._early:
            inside.feed(data)
        self._early.clear()
        if self._has_eof:
            inside.feed_eof()
        inside.pause(self._is_held)  # it may have said much before we knew it
        if self._is_unwanted:
            inside.mute()
        inside.resize(*self._size())
        if not self._is_choked:
            self._valve.open()

    async def _enter(self, way: Entry) -> Inside:
        if not self._on_terminal:
            return await PipedProcess.start(way, self)
        return await TerminalProcess.start(way, self, *self._size(), self._channel.get_terminal_modes())

    def _size(self) -> tuple[int, int]:
        columns, rows = self._channel.get_terminal_size()[:2]
        return columns or _COLUMNS, rows or _ROWS  # 0 is how a client says that it has none

    def _asked_for(self) -> dict[str, str]:
        """What the client may set in the process's environment."""
        asked = self._channel.get_environment()
        env = {name: value for name, value in asked.items() if name == "LANG" or name.startswith("LC_")}
        term = self._channel.get_terminal_type()
        return env | ({"TERM": term} if self._on_terminal and term else {})

    def _hang_up(self) -> None:
        if self._inside is None:
            return
        if self._inside.is_running and self._leave is not None:
            self._door.afterwards(self._leave)
        self._inside.hang_up()

    def _hold(self, is_held: bool) -> None:
        self._is_held = is_held
        if self._inside is not None:
            self._inside.pause(is_held)


def _number_of(name: str) -> int | None:
    try:
        return signal.Signals[f"SIG{name}"].value
    except KeyError:
        return None


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)
