"""A process inside a task on a pseudo terminal, for a session over SSH."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Mapping

from flow_core.agent.task_exec import ExecSpec
from flow_core.providers.local.sshd.process import TaskProcess
from flow_core.ssh.server.process import STDOUT, ProcessListener
from flow_core.ssh.terminal_modes import apply_modes

_PIECE = 1 << 16
_FULL = 1 << 16
_MOST_LEFT = 1 << 20


class TerminalProcess(TaskProcess):
    """Its terminal's other end is ours."""

    def __init__(self, listener: ProcessListener, master: int) -> None:
        super().__init__(listener)
        self._master = master
        self._typed = bytearray()
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def start(
        cls, way: ExecSpec, listener: ProcessListener, columns: int, rows: int, modes: Mapping[int, int]
    ) -> TerminalProcess:
        """Raises OSError."""
        master, slave = pty.openpty()
        try:
            _set_size(master, columns, rows)
            apply_modes(slave, modes)
            os.set_blocking(master, False)
            _, process = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(listener, master),
                *way.argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=way.env,
                start_new_session=True,
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        process.pause(False)
        return process

    def process_exited(self) -> None:
        self._code = self._transport.get_returncode()
        left = _MOST_LEFT  # what it left in the background may write for ever
        while not self._is_over and left > 0 and (data := self._next()):
            left -= len(data)
            self._listener.write_output(data, STDOUT)
        self._end()
        self.hang_up()

    def feed(self, data: bytes) -> None:
        if self._is_over:
            return
        if not self._typed:
            self._loop.add_writer(self._master, self._write)
        self._typed += data
        if len(self._typed) > _FULL:
            self._listener.set_input_full(True)
        self._write()

    def feed_eof(self) -> None:
        """A terminal has no end of input but a key."""

    def pause(self, is_paused: bool) -> None:
        if self._master < 0:
            return
        if is_paused:
            self._loop.remove_reader(self._master)
        else:
            self._loop.add_reader(self._master, self._read)

    def resize(self, columns: int, rows: int) -> None:
        if self._master >= 0:
            _set_size(self._master, columns, rows)

    def signal(self, number: int) -> None:
        if self._master >= 0:
            self._signal_group(_foreground(self._master), number)

    def close_output(self) -> None:
        self.signal(signal.SIGHUP)
        self._signal_group(self._transport.get_pid(), signal.SIGHUP)

    def hang_up(self) -> None:
        self._is_over = True
        if self._master < 0:
            return
        self.close_output()
        self.pause(True)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        self._master = -1

    def _read(self) -> None:
        if data := self._next():
            self._listener.write_output(data, STDOUT)
        elif data is None:
            self.pause(True)

    def _next(self) -> bytes | None:
        """What there is to read; b"" for nothing now, None once every program has let go of the terminal."""
        try:
            return os.read(self._master, _PIECE) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None  # how Linux says so

    def _write(self) -> None:
        try:
            while self._typed:
                del self._typed[: os.write(self._master, self._typed)]
        except BlockingIOError:
            return  # it goes on when there is room again
        except OSError:
            self._typed.clear()  # nobody reads any more
        self._loop.remove_writer(self._master)
        self._listener.set_input_full(False)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", max(rows, 1), max(columns, 1), 0, 0))
    except OSError as error:
        if error.errno not in (errno.EIO, errno.ENOTTY, errno.EBADF):
            raise


def _foreground(terminal: int) -> int:
    try:
        return os.tcgetpgrp(terminal)
    except OSError:
        return 0
