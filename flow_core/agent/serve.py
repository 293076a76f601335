"""The agent as a process that answers a client: one for each connection, until its standard input ends.

Quick looks are answered in turn, so that they never wait for a thread; all other calls run in threads, a few at a time.
Nothing here is a daemon: tasks belong to their supervisors, and outlive this process. Standard library only.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from flow_core.agent import protocol
from flow_core.agent.calls import AgentCalls
from flow_core.agent.refusals import Refused
from flow_core.agent.startup_error import exit_with_message

_PIECE = 1 << 16
# What belongs to this connection, and means nothing to a task that outlives it.
_OF_THE_LOGIN = ("OLDPWD", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "SSH_ORIGINAL_COMMAND")
_AT_ONCE = 6
_WAITING_MOST = 100
_PROGRESS_S = 1.0
_LEAVE_S = 20.0  # for what a client that is gone had asked for: half a submit is worse than a late one


class AgentServer:
    """Reads questions from one descriptor and answers on another."""

    def __init__(self, calls: AgentCalls, read: int, write: int) -> None:
        self._calls = calls
        self._read = read
        self._write = write
        self._writing = threading.Lock()
        self._room = threading.Semaphore(_AT_ONCE)
        self._places = threading.Semaphore(_WAITING_MOST)
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Until the client is gone. Raises Unframed."""
        self._say([protocol.GREETING, {"protocol": protocol.VERSION, **self._calls.greeting()}])
        frames = protocol.FrameDecoder()
        while piece := os.read(self._read, _PIECE):
            for message in frames.take(piece):
                self._take(*_question(message))
        deadline = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _take(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        self._calls.touch_agent_copy()
        if self._calls.is_quick(call):
            self._answer(number, call, arguments)
            return
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._answer_in_turn, args=(number, call, arguments), daemon=True)
        self._places.acquire()  # who asks more at once has to wait until it is read
        try:
            thread.start()
        except RuntimeError:  # the system gives this user no further thread
            self._places.release()
            self._answer(number, call, arguments)
            return
        self._threads.append(thread)

    def _answer_in_turn(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        try:
            while not self._room.acquire(timeout=_PROGRESS_S):
                self._say([number, protocol.PROGRESS])
            try:
                self._answer(number, call, arguments)
            finally:
                self._room.release()
        finally:
            self._places.release()

    def _answer(self, number: int, call: str, arguments: dict[str, Any]) -> None:
        try:
            answer = [number, protocol.OK, self._calls.run(call, arguments, self._progress(number))]
        except Refused as refused:
            answer = [number, protocol.REFUSED, refused.code, refused.details]
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            answer = [number, protocol.FAILED, f"{error.strerror or type(error).__name__}{place}"]
        except Exception as error:  # noqa: BLE001 - a fault of ours: the client says so, and every other call goes on
            answer = [number, protocol.FAILED, f"{type(error).__name__}: {error}"]
        self._say(answer)

    def _progress(self, number: int) -> Callable[[], None]:
        said_at = time.monotonic()

        def report() -> None:
            nonlocal said_at
            if time.monotonic() - said_at >= _PROGRESS_S:
                said_at = time.monotonic()
                self._say([number, protocol.PROGRESS])

        return report

    def _say(self, message: list[Any]) -> None:
        try:
            data = protocol.encode_frame(message)
        except ValueError as error:
            data = protocol.encode_frame([message[0], protocol.FAILED, str(error)])
        try:
            with self._writing:
                while data:
                    data = data[os.write(self._write, data) :]
        except OSError:
            pass  # the client is gone, and our input ends too


def _question(message: list[Any]) -> tuple[int, str, dict[str, Any]]:
    if len(message) >= 3 and isinstance(message[0], int) and isinstance(message[2], dict):
        return message[0], str(message[1]), message[2]
    raise protocol.ProtocolError("a frame holds no question")


def main() -> None:
    """Argument: the machine's folder. What anything prints goes to standard error; the pipe is for frames alone."""
    root = sys.argv[1]
    for name in _OF_THE_LOGIN:
        os.environ.pop(name, None)
    read, write = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)  # what we start may read, and that must not be the questions
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
    os._exit(0)  # a thread that hangs in a dead file system must not keep this process
