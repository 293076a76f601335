"""A process inside a task, for a session over SSH; its output goes to a listener, as fast as the listener takes it."""

from __future__ import annotations

import asyncio
import os
import signal
from abc import abstractmethod
from typing import cast

from flow_core.agent.task_exec import ExecSpec
from flow_core.ssh.server.process import STDERR, STDOUT, ProcessListener, SessionProcess

_QUIET_S = 0.2
_NEVER = -1
_ENDING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL})


class TaskProcess(asyncio.SubprocessProtocol, SessionProcess):
    """The common part of both kinds of process."""

    def __init__(self, listener: ProcessListener) -> None:
        self._listener = listener
        self._code: int | None = None
        self._is_over = False
        self._was_signalled = False
        self._transport: asyncio.SubprocessTransport

    @property
    def ended_by_itself(self) -> bool:
        """False while it runs, and if a signal of the session may have ended it."""
        return self._code is not None and not self._was_signalled

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    @abstractmethod
    def hang_up(self) -> None:
        """Closes the streams and sends SIGHUP. Calling it again is safe.

        A process that ignores SIGHUP runs until its task ends.
        """

    def signal(self, number: int) -> None:
        self._signal_group(self._transport.get_pid(), number)

    def _signal_group(self, group: int, number: int) -> None:
        if self._code is not None or group <= 1:
            return
        self._was_signalled |= number in _ENDING
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has exited, or changed its user id

    def _end(self) -> None:
        if not self._is_over and self._code is not None:
            self._is_over = True
            self._listener.process_ended(self._code)


class PipedProcess(TaskProcess):
    """A process with separate pipes for its standard input, output and error."""

    def __init__(self, listener: ProcessListener) -> None:
        super().__init__(listener)
        self._open = {STDOUT, STDERR}
        self._pieces = 0
        self._is_paused = self._is_full = self._is_output_closed = False

    @classmethod
    async def start(cls, spec: ExecSpec, listener: ProcessListener) -> PipedProcess:
        """Starts a process. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, process = await loop.subprocess_exec(lambda: cls(listener), *spec.argv, env=spec.env, start_new_session=True)
        return process

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._pieces += 1
        self._listener.write_output(data, fd)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        self._end_if_silent(_NEVER)

    def process_exited(self) -> None:
        self._code = self._transport.get_returncode()
        self._end_if_silent(_NEVER)

    def pause_writing(self) -> None:
        self._is_full = True
        self._listener.set_input_full(True)

    def resume_writing(self) -> None:
        """Notifies the listener a moment later.

        If the listener ended the input within this call, asyncio would close the pipe twice.
        """
        self._is_full = False
        asyncio.get_running_loop().call_soon(lambda: self._listener.set_input_full(self._is_full))

    def feed(self, data: bytes) -> None:
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None and not pipe.is_closing():
            cast(asyncio.WriteTransport, pipe).write(data)

    def feed_eof(self) -> None:
        pipe = self._transport.get_pipe_transport(0)
        if pipe is not None and not pipe.is_closing():
            cast(asyncio.WriteTransport, pipe).write_eof()

    def pause(self, is_paused: bool) -> None:
        self._is_paused = is_paused and not self._is_output_closed  # nothing would ever resume it
        for fd in self._open:
            pipe = cast(asyncio.ReadTransport, self._transport.get_pipe_transport(fd))
            if self._is_paused and pipe.is_reading():
                pipe.pause_reading()
            elif not self._is_paused:
                pipe.resume_reading()

    def close_output(self) -> None:
        if (pipe := self._transport.get_pipe_transport(STDOUT)) is not None:
            pipe.close()
        self._open.discard(STDOUT)
        self._is_output_closed = True
        self.pause(False)

    def hang_up(self) -> None:
        self._is_over = True
        self.signal(signal.SIGHUP)
        for fd in (0, STDOUT, STDERR):
            if (pipe := self._transport.get_pipe_transport(fd)) is not None:
                pipe.close()

    def _end_if_silent(self, pieces_before: int) -> None:
        """Ends the session after the exit, once the output pauses: a background process may keep the streams open."""
        if self._code is None or self._is_over:
            return
        if not self._open or (pieces_before == self._pieces and not self._is_paused):
            self._end()
            self.hang_up()
        else:
            asyncio.get_running_loop().call_later(_QUIET_S, self._end_if_silent, self._pieces)
