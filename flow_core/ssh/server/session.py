"""One session of a connection to an SSH server of flow: a shell, a command or SFTP."""

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

_START_FAILED_EXIT_CODE = 255
_MAX_UNSENT_BYTES = 1 << 20
_COLUMNS, _ROWS = 80, 24
_MAX_CELLS = 0xFFFF
_P = TypeVar("_P", bound=SessionProcess)


class ClientTerminal(NamedTuple):
    """The client's terminal; `modes` as in RFC 4254, section 8."""

    columns: int
    rows: int
    modes: Mapping[int, int]


class SessionRequest(NamedTuple):
    """A client's request to start a program: by default a shell. `env` holds the variables that the client may set."""

    command: str | None
    is_sftp: bool
    terminal: ClientTerminal | None
    env: dict[str, str]


class ServerSession(asyncssh.SSHServerSession[bytes], Generic[_P]):
    """A session that a client has opened. Input is buffered until the process has started."""

    message_prefix = ""  # prefix of the server's own messages in the session

    def __init__(self) -> None:
        self._command: str | None = None
        self._has_terminal = self._is_sftp = False
        self._process: _P | None = None
        self._early_input: list[bytes] = []
        self._has_eof = self._is_closed = self._is_input_full = self._is_output_paused = self._is_output_closed = False
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._flow_control: FlowControl
        self._start_task: asyncio.Task[None] | None = None

    @abstractmethod
    async def start_process(self, request: SessionRequest) -> _P:
        """Starts the process, whose listener is this session. Raises FlowError, OSError."""

    def release_process(self, process: _P) -> None:
        """Stops listening to the process, which may have ended."""
        process.hang_up()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._flow_control = FlowControl(chan)

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._has_terminal = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._is_sftp = subsystem == "sftp"
        self._has_terminal = False
        return self._is_sftp

    def session_started(self) -> None:
        self._start_task = asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._process is not None:
            self._process.feed(data)
        else:
            self._early_input.append(data)
            self._flow_control.pause()

    def eof_received(self) -> bool:
        self._has_eof = True
        if self._process is not None:
            self._process.feed_eof()
        return True  # output may follow

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._process is not None:
            self._process.resize(*self._size())

    def signal_received(self, signal: str) -> None:
        if self._process is not None and (number := _signal_number(signal)):
            self._process.signal(number)

    def close_output(self) -> None:
        """Handles the client's report that it can't write more output, as in `ssh ... yes | head -1`."""
        self._is_output_closed = True
        if self._process is not None:
            self._process.close_output()

    def pause_writing(self) -> None:
        self._pause_output(True)

    def resume_writing(self) -> None:
        self._pause_output(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        if self._process is not None:
            self.release_process(self._process)

    def write_output(self, data: bytes, stream: int) -> None:
        is_stuck = self._is_output_closed and self._channel.get_write_buffer_size() > _MAX_UNSENT_BYTES
        if not self._is_closed and not is_stuck:
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if stream == STDERR else None)

    def set_input_full(self, is_full: bool) -> None:
        self._is_input_full = is_full
        if not self._is_closed:
            (self._flow_control.pause if is_full else self._flow_control.resume)()

    def process_ended(self, code: int) -> None:
        if self._is_closed:
            return
        if self._is_output_closed and self._channel.get_write_buffer_size():
            self._channel.abort()  # the client never reads the rest
        elif code >= 0:
            self._channel.exit(code)
        else:
            self._channel.exit_with_signal(_signal_name(-code))

    async def _start(self) -> None:
        try:
            process = await self.start_process(self._build_request())
        except (FlowError, OSError) as error:
            self.write_output(f"{self.message_prefix}{error}\r\n".encode(), STDERR)
            self.process_ended(_START_FAILED_EXIT_CODE)
            return
        self._process = process
        if self._is_closed:
            self.release_process(process)
            return
        for data in self._early_input:
            process.feed(data)
        self._early_input.clear()
        if self._has_eof:
            process.feed_eof()
        if self._is_output_closed:
            process.close_output()
        process.resize(*self._size())
        if not self._is_input_full:
            self._flow_control.resume()
        process.pause(self._is_output_paused)  # last: the process may have written and ended meanwhile

    def _build_request(self) -> SessionRequest:
        terminal = ClientTerminal(*self._size(), self._channel.get_terminal_modes()) if self._has_terminal else None
        return SessionRequest(self._command, self._is_sftp, terminal, self._env())

    def _size(self) -> tuple[int, int]:
        columns, rows = (min(max(number, 0), _MAX_CELLS) for number in self._channel.get_terminal_size()[:2])
        return columns or _COLUMNS, rows or _ROWS  # a client without a size sends 0

    def _env(self) -> dict[str, str]:
        request = self._channel.get_environment()
        env = {name: value for name, value in request.items() if name == "LANG" or name.startswith("LC_")}
        term = self._channel.get_terminal_type()
        return env | ({"TERM": term} if self._has_terminal and term else {})

    def _pause_output(self, is_paused: bool) -> None:
        self._is_output_paused = is_paused
        if self._process is not None:
            self._process.pause(is_paused)


def _signal_number(name: str) -> int | None:
    try:
        return signal.Signals[f"SIG{name}"].value
    except KeyError:
        return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)
