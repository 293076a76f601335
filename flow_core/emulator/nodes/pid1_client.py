"""The emulator's client of a machine's first process: spawns and signals processes, and ends the machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.emulator.nodes.fd_messages import Message, MessageReader, pack
from flow_core.errors import ProviderError

_READY_S = 20.0
_ANSWER_S = 10.0
_END_S = 10.0
_PACKAGE_ROOT = str(Path(__file__).parents[3])
_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.emulator.nodes.pid1.main import main; main()"


class NotStarted(ProviderError):
    """A machine, or a process of one, could not be started."""


class NoNamespaces(NotStarted):
    """This system does not allow the namespaces that an isolated machine needs."""


class SpawnRequest(NamedTuple):
    """A program to start. Paths are the machine's."""

    program: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    more: Mapping[str, Any] = {}
    """`output`: a file for both streams; `terminal`: (columns, rows), with `modes`; `files_below`: serves SFTP."""


class SpawnedProcess(NamedTuple):
    """A process of a machine. `ended` is its exit code, or minus the signal; it never fails."""

    number: int
    terminal: int | None
    ended: asyncio.Future[int]


class Pid1Client:
    """The client of a machine's first process. Create it with `start`. Once `gone` is set, no process runs any more."""

    def __init__(self, process: asyncio.subprocess.Process, end: socket.socket) -> None:
        self._process = process
        self._end = end
        self._inbox = MessageReader()
        self._last = 0
        self._sending = asyncio.Lock()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self.gone = asyncio.Event()

    @classmethod
    async def start(cls, plan: Mapping[str, Any]) -> Pid1Client:
        """Starts the first process of a machine. Raises NotStarted, NoNamespaces."""
        own_end, child_end = socket.socketpair()
        with child_end:
            own_end.setblocking(False)
            argv = [sys.executable, "-I", "-S", "-c", _CODE, _PACKAGE_ROOT, str(child_end.fileno())]
            env = {name: value for name, value in os.environ.items() if name.startswith(("LD_", "DYLD_"))}
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(child_end.fileno(),),
                    start_new_session=True,
                    env=env,
                )
            except OSError as error:
                own_end.close()
                raise NotStarted(f"the machine's first process can't be started: {error.strerror}") from error
        link = cls(process, own_end)
        link._loop.add_reader(own_end, link._receive)
        try:
            await link._begin(plan)
        except BaseException:
            await link.close()
            raise
        return link

    async def spawn(self, request: SpawnRequest, fds: Sequence[int] = ()) -> SpawnedProcess:
        """Starts a process. `fds` become its standard streams; they stay the caller's. Raises NotStarted."""
        number = self._last = self._last + 1
        answer = self._answers[number] = self._loop.create_future()
        ended = self._running[number] = self._loop.create_future()
        body = {"do": "spawn", "id": number, **request._asdict(), **request.more, "more": None}
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._send(body, fds)
                reply = await answer
        except (TimeoutError, OSError) as error:
            self._running.pop(number, None)
            raise NotStarted("the machine does not answer") from error
        finally:
            self._answers.pop(number, None)
        if "failed" in reply.body:
            self._running.pop(number, None)
            raise NotStarted(f"it can't be started: {reply.body['failed']}")
        return SpawnedProcess(number, reply.fds[0] if reply.fds else None, ended)

    async def signal(self, number: int, signal_number: int) -> None:
        """Signals a process and its group, or the foreground group of its terminal. Does nothing if it has ended."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._send({"do": "signal", "id": number, "signal": signal_number})
        except (TimeoutError, OSError):
            return  # the process has ended with the machine

    async def close(self) -> None:
        """Ends every process of the machine. Calling it again is safe."""
        self._disconnect()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def _begin(self, plan: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(_READY_S):
                await self._send(plan)
                reply = await self._ready
        except (TimeoutError, OSError) as error:
            raise NotStarted("the machine's first process does not answer") from error
        if "failed" in reply:
            raise NoNamespaces(str(reply["failed"]))
        if "gone" in reply:
            raise NotStarted("the machine's first process ended at once")

    async def _send(self, body: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Sends a message. Raises OSError."""
        async with self._sending:
            data = pack(dict(body), len(fds))
            while True:
                try:
                    sent = socket.send_fds(self._end, [data], fds)
                    break
                except BlockingIOError:
                    await self._wait_for_room()
            await self._loop.sock_sendall(self._end, data[sent:])

    async def _wait_for_room(self) -> None:
        room = asyncio.Event()
        self._loop.add_writer(self._end, room.set)
        try:
            await room.wait()
        finally:
            self._loop.remove_writer(self._end)

    def _receive(self) -> None:
        try:
            is_open = self._inbox.receive(self._end)
        except BlockingIOError:
            return
        except OSError:
            is_open = False
        for message in self._inbox.messages():
            self._handle_message(message)
        if not is_open:
            self._disconnect()

    def _handle_message(self, message: Message) -> None:
        number = message.body.get("id")
        if number is None:
            if not self._ready.done():
                self._ready.set_result(message.body)
        elif "ended" in message.body:
            self._set_ended(number, message.body["ended"])
        elif (answer := self._answers.get(number)) is not None and not answer.done():
            answer.set_result(message)
        else:
            for fd in message.fds:
                os.close(fd)  # no call waits for it any more

    def _set_ended(self, number: int, code: int) -> None:
        ended = self._running.pop(number, None)
        if ended is not None and not ended.done():
            ended.set_result(code)

    def _disconnect(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end)
            self._end.close()
            self._inbox.close()
        if not self._ready.done():
            self._ready.set_result({"gone": True})
        for number, answer in self._answers.items():
            if not answer.done():
                answer.set_result(Message({"id": number, "failed": "the machine has ended"}, []))
        for number in tuple(self._running):
            self._set_ended(number, -signal.SIGKILL)
        self.gone.set()
