"""A process of a machine, for an SSH session: its output goes to a listener, as fast as the listener accepts it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios

from flow_core.emulator.nodes.pid1_client import Pid1Client, SpawnedProcess, SpawnRequest
from flow_core.ssh.server.process import STDERR, STDOUT, ProcessListener, SessionProcess

_PIECE = 1 << 16
_FULL = 1 << 16
_MAX_REST = 1 << 20


class MachineProcess(SessionProcess):
    """A process on a terminal, or with three pipes. Create it with `start`; it reads after the first `pause(False)`."""

    def __init__(
        self,
        client: Pid1Client,
        started: SpawnedProcess,
        listener: ProcessListener,
        outputs: dict[int, int],
        input_fd: int,
    ) -> None:
        self._client = client
        self._started = started
        self._listener = listener
        self._outputs = outputs
        self._input = input_fd
        self._pending_input = bytearray()
        self._loop = asyncio.get_running_loop()
        self._is_paused = True
        self._is_full = self._has_eof = self._is_over = False
        self._signals: set[asyncio.Task[None]] = set()
        for fd in (*outputs, input_fd):
            os.set_blocking(fd, False)
        started.ended.add_done_callback(lambda _: self._check_end())

    @classmethod
    async def start(cls, client: Pid1Client, request: SpawnRequest, listener: ProcessListener) -> MachineProcess:
        """Starts the process. Raises NotStarted, OSError."""
        if "terminal" in request.more:
            started = await client.spawn(request)
            assert started.terminal is not None
            return cls(client, started, listener, {started.terminal: STDOUT}, os.dup(started.terminal))
        pipes = [os.pipe() for _ in range(3)]
        child_ends = [pipes[0][0], pipes[1][1], pipes[2][1]]
        own_ends = [pipes[0][1], pipes[1][0], pipes[2][0]]
        try:
            started = await client.spawn(request, child_ends)
        except BaseException:
            for fd in own_ends:
                os.close(fd)
            raise
        finally:
            for fd in child_ends:
                os.close(fd)
        return cls(client, started, listener, {own_ends[1]: STDOUT, own_ends[2]: STDERR}, own_ends[0])

    def feed(self, data: bytes) -> None:
        if self._input < 0 or self._has_eof:
            return
        if not self._pending_input:
            self._loop.add_writer(self._input, self._write)
        self._pending_input += data
        if len(self._pending_input) > _FULL and not self._is_full:
            self._is_full = True
            self._listener.set_input_full(True)

    def feed_eof(self) -> None:
        """Closes the input; a terminal has no end of input, only the EOF key."""
        self._has_eof = self._started.terminal is None
        if self._has_eof and not self._pending_input:
            self._close_input()

    def pause(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        for fd in self._outputs:
            if is_paused:
                self._loop.remove_reader(fd)
            else:
                self._loop.add_reader(fd, self._read, fd)
        self._check_end()

    def resize(self, columns: int, rows: int) -> None:
        terminal = self._started.terminal
        if terminal in self._outputs:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: int) -> None:
        if not self._started.ended.done():
            task = self._loop.create_task(self._client.signal(self._started.number, number))
            self._signals.add(task)
            task.add_done_callback(self._signals.discard)

    def close_output(self) -> None:
        if self._started.terminal is not None:
            self._close_input()
        for fd in [fd for fd, stream in self._outputs.items() if stream == STDOUT]:
            self._close(fd)
        self._check_end()

    def hang_up(self) -> None:
        """Closes the streams. The kernel sends SIGHUP to programs of a terminal; others continue."""
        self._is_over = True
        self._close_input()
        for fd in tuple(self._outputs):
            self._close(fd)

    def _read(self, fd: int) -> None:
        if data := self._read_piece(fd):
            self._listener.write_output(data, self._outputs[fd])
        elif data is None:
            self._close(fd)
            self._check_end()

    def _read_piece(self, fd: int) -> bytes | None:
        """Reads available bytes; returns b"" if there are none now, None after every program closed the other end."""
        try:
            return os.read(fd, _PIECE) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None  # Linux reports the end of a terminal as an error

    def _check_end(self) -> None:
        """Ends the session like sshd: waits for background processes that keep the pipes, but not the terminal."""
        if self._is_over or not self._started.ended.done():
            return
        if self._started.terminal in self._outputs:
            self._read_rest(self._started.terminal)
        elif self._outputs:
            return
        self.hang_up()
        self._listener.process_ended(self._started.ended.result())

    def _read_rest(self, terminal: int) -> None:
        left = _MAX_REST  # a process in the background may write without an end
        while left > 0 and (data := self._read_piece(terminal)):
            left -= len(data)
            self._listener.write_output(data, STDOUT)

    def _write(self) -> None:
        try:
            del self._pending_input[: os.write(self._input, self._pending_input[:_PIECE])]
        except BlockingIOError:
            return
        except OSError:
            self._close_input()  # no process reads it any more
        if not self._pending_input and self._input >= 0:
            self._loop.remove_writer(self._input)
            if self._has_eof:
                self._close_input()
        if self._is_full and len(self._pending_input) <= _FULL:
            self._is_full = False
            self._listener.set_input_full(False)

    def _close_input(self) -> None:
        self._pending_input.clear()
        if self._input >= 0:
            self._loop.remove_writer(self._input)
            os.close(self._input)
            self._input = -1

    def _close(self, fd: int) -> None:
        del self._outputs[fd]
        self._loop.remove_reader(fd)
        os.close(fd)
