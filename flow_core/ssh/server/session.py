"""One session of a connection to a server of ours: a shell, a command or a file server."""

from __future__ import annotations

import asyncio
import signal
from abc import abstractmethod
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

import asyncssh

from flow_core.errors import FlowError
from flow_core.ssh.flow_control import FlowControl
from flow_core.ssh.server.process import STDERR, SessionProcess

_REFUSED = 255
_MOST_STUCK = 1 << 20
_COLUMNS, _ROWS = 80, 24
_MOST_CELLS = 0xFFFF
_P = TypeVar("_P", bound=SessionProcess)


class ClientTerminal(NamedTuple):
    """The client's; `modes` as in RFC 4254, section 8."""

    columns: int
    rows: int
    modes: Mapping[int, int]


class SessionRequest(NamedTuple):
    """What a client wants to be started: by default a shell. `env` is what it may set for it."""

    command: str | None
    for_files: bool
    terminal: ClientTerminal | None
    env: dict[str, str]


class ServerSession(asyncssh.SSHServerSession[bytes], Generic[_P]):
    """Made by the server when a client opens it. What is typed waits until the process has been started."""

    speaker = ""  # stands before what the server itself says in the session

    def __init__(self) -> None:
        self._command: str | None = None
        self._on_terminal = self._for_files = False
        self._inside: _P | None = None
        self._early: list[bytes] = []
        self._has_eof = self._is_gone = self._is_choked = self._is_held = self._is_unwanted = False
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._valve: FlowControl
        self._starting: asyncio.Task[None] | None = None

    @abstractmethod
    async def enter(self, asked: SessionRequest) -> _P:
        """Starts the process, whose listener is this session. Raises FlowError, OSError."""

    def leave(self, inside: _P) -> None:
        """Nobody listens to the process any more; it may have ended."""
        inside.hang_up()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._valve = FlowControl(chan)

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
        if self._inside is not None:
            self.leave(self._inside)

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
            inside = await self.enter(self._asked())
        except (FlowError, OSError) as error:
            self.said(f"{self.speaker}{error}\r\n".encode(), STDERR)
            self.ended(_REFUSED)
            return
        self._inside = inside
        if self._is_gone:
            self.leave(inside)
            return
        for data in self._early:
            inside.feed(data)
        self._early.clear()
        if self._has_eof:
            inside.feed_eof()
        if self._is_unwanted:
            inside.mute()
        inside.resize(*self._size())
        if not self._is_choked:
            self._valve.open()
        inside.pause(self._is_held)  # last: it may have said much before we knew it, and end with that

    def _asked(self) -> SessionRequest:
        terminal = ClientTerminal(*self._size(), self._channel.get_terminal_modes()) if self._on_terminal else None
        return SessionRequest(self._command, self._for_files, terminal, self._env())

    def _size(self) -> tuple[int, int]:
        columns, rows = (min(max(number, 0), _MOST_CELLS) for number in self._channel.get_terminal_size()[:2])
        return columns or _COLUMNS, rows or _ROWS  # 0 is how a client says that it has none

    def _env(self) -> dict[str, str]:
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
