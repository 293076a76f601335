"""One session of an SSH connection: a shell, a command or a file server inside a machine."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Any, Protocol

import asyncssh

from flow_core.emulator.nodes.link import Link, NotStarted, Order
from flow_core.emulator.nodes.process import STDERR, Inside

_REFUSED = 255
_COLUMNS, _ROWS = 80, 24


class Door(Protocol):
    """What a session needs of the machine that its connection leads to."""

    @property
    def link(self) -> Link: ...

    def shell(self, command: str | None, env: Mapping[str, str], more: Mapping[str, Any]) -> Order:
        """Raises NotStarted where such a command may not run."""

    def file_server(self) -> Order: ...


class MachineSession(asyncssh.SSHServerSession[bytes]):
    """Made by the server when a client opens it. What is typed waits until the process has been started."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._command: str | None = None
        self._on_terminal = self._for_files = False
        self._inside: Inside | None = None
        self._early: list[bytes] = []
        self._has_eof = self._is_gone = self._is_choked = self._is_held = self._is_unwanted = False
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._starting: asyncio.Task[None] | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

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
            self._channel.pause_reading()

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
        if self._inside is not None:
            self._inside.hang_up()

    def said(self, data: bytes, stream: int) -> None:
        if not self._is_gone:
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if stream == STDERR else None)

    def input_is_full(self, is_full: bool) -> None:
        self._is_choked = is_full
        if not self._is_gone:
            (self._channel.pause_reading if is_full else self._channel.resume_reading)()

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
            inside = await Inside.start(self._door.link, self._order(), self)
        except (NotStarted, OSError) as error:
            self.said(f"{error}\r\n".encode(), STDERR)
            self.ended(_REFUSED)
            return
        self._inside = inside
        if self._is_gone:
            inside.hang_up()
            return
        early, self._early = self._early, []
        for data in early:
            inside.feed(data)
        if self._has_eof:
            inside.feed_eof()
        if self._is_unwanted:
            inside.mute()
        inside.resize(*self._size())
        if early and not self._is_choked:
            self._channel.resume_reading()
        inside.pause(self._is_held)

    def _order(self) -> Order:
        if self._for_files:
            return self._door.file_server()
        if not self._on_terminal:
            return self._door.shell(self._command, self._asked_for(), {})
        modes = {str(opcode): value for opcode, value in self._channel.get_terminal_modes().items()}
        return self._door.shell(self._command, self._asked_for(), {"terminal": self._size(), "modes": modes})

    def _size(self) -> tuple[int, int]:
        columns, rows = (min(max(number, 0), 0xFFFF) for number in self._channel.get_terminal_size()[:2])
        return columns or _COLUMNS, rows or _ROWS  # 0 is how a client says that it has none

    def _asked_for(self) -> dict[str, str]:
        """What the client may set in the process's environment."""
        asked = self._channel.get_environment()
        env = {name: value for name, value in asked.items() if name == "LANG" or name.startswith("LC_")}
        term = self._channel.get_terminal_type()
        return env | ({"TERM": term} if self._on_terminal and term else {})

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
