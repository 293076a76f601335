"""A process inside a task on a pseudo terminal, for a session over SSH."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from collections.abc import Mapping

from flow_core.agent.task_exec import ExecSpec
from flow_core.providers.local.sshd.process import TaskProcess
from flow_core.providers.this_machine.terminal_control import get_foreground_group, set_terminal_size
from flow_core.ssh.server.process import STDOUT, ProcessListener
from flow_core.ssh.terminal_modes import apply_modes

_PIECE = 1 << 16
_INPUT_BYTES_MAX = 1 << 16
_REST_BYTES_MAX = 1 << 20


class TerminalProcess(TaskProcess):
    """A process on a pseudo terminal, whose other end this process has."""

    def __init__(self, listener: ProcessListener, master: int) -> None:
        super().__init__(listener)
        self._master = master
        self._input = bytearray()
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def start(
        cls, spec: ExecSpec, listener: ProcessListener, columns: int, rows: int, modes: Mapping[int, int]
    ) -> TerminalProcess:
        """Starts a process. Raises OSError."""
        master, slave = pty.openpty()
        try:
            set_terminal_size(master, columns, rows)
            apply_modes(slave, modes)
            os.set_blocking(master, False)
            _, process = await asyncio.get_running_loop().subprocess_exec(
                lambda: cls(listener, master),
                *spec.argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=spec.env,
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
        left = _REST_BYTES_MAX  # a background process may write for ever
        while not self._is_over and left > 0 and (data := self._read_output()):
            left -= len(data)
            self._listener.write_output(data, STDOUT)
        self._end()
        self.hang_up()

    def feed(self, data: bytes) -> None:
        if self._is_over:
            return
        if not self._input:
            self._loop.add_writer(self._master, self._write_input)
        self._input += data
        if len(self._input) > _INPUT_BYTES_MAX:
            self._listener.set_input_full(True)
        self._write_input()

    def feed_eof(self) -> None:
        """Does nothing: a terminal has no end of input, only the EOF key."""

    def pause(self, is_paused: bool) -> None:
        if self._master < 0:
            return
        if is_paused:
            self._loop.remove_reader(self._master)
        else:
            self._loop.add_reader(self._master, self._on_readable)

    def resize(self, columns: int, rows: int) -> None:
        if self._master >= 0:
            set_terminal_size(self._master, columns, rows)

    def signal(self, number: int) -> None:
        if self._master >= 0:
            self._signal_group(get_foreground_group(self._master), number)

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

    def _on_readable(self) -> None:
        if data := self._read_output():
            self._listener.write_output(data, STDOUT)
        elif data is None:
            self.pause(True)

    def _read_output(self) -> bytes | None:
        """Returns the output so far; b"" if there is none now, None once every program has closed the terminal."""
        try:
            return os.read(self._master, _PIECE) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None  # on Linux, every program has closed the terminal

    def _write_input(self) -> None:
        try:
            while self._input:
                del self._input[: os.write(self._master, self._input)]
        except BlockingIOError:
            return  # the event loop calls this again when there is space
        except OSError:
            self._input.clear()  # no process reads any more
        self._loop.remove_writer(self._master)
        self._listener.set_input_full(False)
