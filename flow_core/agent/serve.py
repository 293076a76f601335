"""The agent as a process that serves one client connection, until its standard input ends.

The main thread runs quick calls itself, so that they never wait for a thread. All other calls run in threads, a few at
a time. The process is not a daemon: tasks belong to their supervisors and outlive it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from flow_core.agent import protocol
from flow_core.agent.agent_start_exit import exit_with_message
from flow_core.agent.calls import AgentCalls
from flow_core.agent.refusals import Refused

_READ_BYTES = 1 << 16
# Variables of this connection; they mean nothing to a task that outlives it.
_LOGIN_VARIABLES = ("OLDPWD", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "SSH_ORIGINAL_COMMAND")
_RUNNING_MAX = 6
_PENDING_MAX = 100
_PROGRESS_S = 1.0
_SHUTDOWN_S = 20.0  # wait this long for calls of a client that has disconnected: half a submit is worse than a late one


class AgentServer:
    """A server that reads requests from one descriptor and writes responses to another."""

    def __init__(self, calls: AgentCalls, read: int, write: int) -> None:
        self._calls = calls
        self._read = read
        self._write = write
        self._write_lock = threading.Lock()
        self._run_slots = threading.Semaphore(_RUNNING_MAX)
        self._pending_slots = threading.Semaphore(_PENDING_MAX)
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Serves until the client disconnects. Raises ProtocolError."""
        self._send([protocol.GREETING, {"protocol": protocol.VERSION, **self._calls.build_greeting()}])
        frames = protocol.FrameDecoder()
        while piece := os.read(self._read, _READ_BYTES):
            for message in frames.take(piece):
                self._handle(*_parse_request(message))
        deadline = time.monotonic() + _SHUTDOWN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _handle(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        self._calls.touch_agent_copy()
        if self._calls.is_quick(call):
            self._answer(number, call, arguments)
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._answer_in_thread, args=(number, call, arguments), daemon=True)
        self._pending_slots.acquire()  # a client with more open requests than this must wait
        try:
            thread.start()
        except RuntimeError:  # the system allows this user no more threads
            self._pending_slots.release()
            self._answer(number, call, arguments)
            return
        self._threads.append(thread)

    def _answer_in_thread(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        try:
            while not self._run_slots.acquire(timeout=_PROGRESS_S):
                self._send([number, protocol.PROGRESS])
            try:
                self._answer(number, call, arguments)
            finally:
                self._run_slots.release()
        finally:
            self._pending_slots.release()

    def _answer(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        try:
            answer = [number, protocol.OK, self._calls.run(call, arguments, self._progress(number))]
        except Refused as refused:
            answer = [number, protocol.REFUSED, refused.code, refused.details]
        except OSError as error:
            file_name = f" ({error.filename})" if error.filename else ""
            answer = [number, protocol.FAILED, f"{error.strerror or type(error).__name__}{file_name}"]
        except Exception as error:  # noqa: BLE001 - a bug: the client reports it, and other calls continue
            answer = [number, protocol.FAILED, f"{type(error).__name__}: {error}"]
        self._send(answer)

    def _progress(self, number: int) -> Callable[[], None]:
        sent_at = time.monotonic()

        def report() -> None:
            nonlocal sent_at
            if time.monotonic() - sent_at >= _PROGRESS_S:
                sent_at = time.monotonic()
                self._send([number, protocol.PROGRESS])

        return report

    def _send(self, message: list[Any]) -> None:
        try:
            data = protocol.encode_frame(message)
        except ValueError as error:
            data = protocol.encode_frame([message[0], protocol.FAILED, str(error)])
        try:
            with self._write_lock:
                while data:
                    data = data[os.write(self._write, data) :]
        except OSError:
            pass  # the client has disconnected, and the input ends too


def _parse_request(message: list[Any]) -> tuple[int, str, dict[str, Any]]:
    if len(message) >= 3 and isinstance(message[0], int) and isinstance(message[2], dict):
        return message[0], str(message[1]), message[2]
    raise protocol.ProtocolError("a frame holds no request")


def main() -> None:
    """Serves the machine's folder, which is the only argument.

    Output of other code goes to standard error; the pipe is for frames only.
    """
    root = sys.argv[1]
    for name in _LOGIN_VARIABLES:
        os.environ.pop(name, None)
    read, write = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # a child process must not read the requests
    os.dup2(2, 1)
    try:
        server = AgentServer(AgentCalls(root), read, write)
    except OSError as error:
        exit_with_message(error)
    try:
        server.run()
    except protocol.ProtocolError as error:
        os.write(2, f"what the client sent can't be read: {error}\n".encode())
        os._exit(1)
    os._exit(0)  # don't wait for a thread that hangs in a dead file system
