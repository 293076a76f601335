"""One agent process on a host, from its launch to its end, and the calls to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from flow_core.agent import protocol
from flow_core.agent.refusals import Refused
from flow_core.errors import ProviderError, Unreachable, printable
from flow_core.providers.hosts.bootstrap_main import ARCHIVE_REQUEST, READY
from flow_core.providers.hosts.bootstrap_payload import build_archive, build_command_line, build_loader_input
from flow_core.providers.hosts.start_failures import find_last_line, start_error
from flow_core.ssh.full_disk import is_full

if TYPE_CHECKING:
    from flow_core.ssh.command import RunningCommand
    from flow_core.ssh.host import SshHost

_LAUNCH_S = 60.0
_LEAVE_S = 2.0
_STDERR_BYTES = 2 << 10
_STDERR_S = 0.5
_KILLED_CODES = (129, 137, 143)  # the exit codes of shells for HUP, KILL and TERM


class Lost(Unreachable):
    """The process has ended, and the response was lost. Every call may be repeated."""


class Stalled(Unreachable):
    """The start gave no result. The interpreter may be one that hangs."""


class AgentProcess:
    """One agent process, and the calls to it. Many coroutines may call at the same time."""

    def __init__(self, name: str, running: RunningCommand) -> None:
        self._name = name
        self._running = running
        self._frames = protocol.FrameDecoder()
        self._numbers = count(1)
        self._pending: dict[int, _PendingCall] = {}
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._stderr = bytearray()
        self._stderr_ended = asyncio.Event()
        self.greeting: dict[str, Any] = {}
        self.is_left = False
        self._ended = asyncio.Event()
        self.last_call_at = time.monotonic()

    @property
    def is_lost(self) -> bool:
        return self._ended.is_set()

    @property
    def is_idle(self) -> bool:
        return not self._pending

    async def wait_until_ended(self) -> None:
        """Waits until the process or the connection to it has ended."""
        await self._ended.wait()

    async def call(self, call: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """Calls the agent. `timeout_s` restarts whenever the agent reports progress.

        Raises Refused, ProviderError, Unreachable, and Lost if a repeated call makes sense.
        """
        if self.is_lost or self.is_left:
            raise self._lost_error()
        number, pending_call = next(self._numbers), _PendingCall()
        try:
            frame = protocol.encode_frame([number, call, dict(arguments)])
        except ValueError as error:
            raise ProviderError(f"the request can't be sent to {self._name!r}: {error}") from error
        self._pending[number] = pending_call
        self.last_call_at = time.monotonic()
        try:
            self._unsent.put_nowait(frame)
            return await pending_call.answer(self._name, timeout_s)
        finally:
            del self._pending[number]
            self.last_call_at = time.monotonic()

    async def launch(self) -> None:
        """Starts the agent and waits for its greeting. Raises ProviderError, PythonUnusable, Stalled, Unreachable."""
        try:
            async with asyncio.timeout(_LAUNCH_S):
                await self._running.write(build_loader_input())
                rest = await self._wait_for_ready()
                greeting = await self._read_first_message(rest)
        except TimeoutError:
            raise Stalled(f"{self._name!r} did not start the agent within {_LAUNCH_S:g} s; try again") from None
        except protocol.ProtocolError as error:
            raise self._invalid_response_error(str(error)) from None
        self._check_greeting(greeting)

    async def listen(self) -> None:
        """Passes each response to its caller, until the process ends or the connection is lost."""
        try:
            while piece := await self._running.read():
                for message in self._frames.take(piece):
                    self._dispatch(message)
            await self._wait_for_stderr(_STDERR_S)
        except Unreachable:
            pass
        except protocol.ProtocolError as error:
            self._fail_calls(self._invalid_response_error(str(error)))
        finally:
            self._ended.set()
            self._fail_calls(self._lost_error())

    async def write_requests(self) -> None:
        """Writes the queued requests one after another, each completely, even if its caller was cancelled."""
        while True:
            await self._running.write(await self._unsent.get())

    async def read_stderr(self) -> None:
        """Reads standard error, and keeps the end of it."""
        with suppress(Unreachable):
            while piece := await self._running.read(2):
                self._stderr += piece
                del self._stderr[:-_STDERR_BYTES]
        self._stderr_ended.set()

    def leave(self) -> None:
        """Closes the agent's input, so that it ends after its last response. Calling it again is safe."""
        if not self.is_left:
            self.is_left = True
            self._running.write_eof()

    async def _wait_for_ready(self) -> bytes:
        """Waits for the line `READY`, and returns the bytes after it."""
        received = b""
        expected = [READY, ARCHIVE_REQUEST]
        while not received.startswith(READY):
            if received.startswith(ARCHIVE_REQUEST):
                expected, received = [READY], received[len(ARCHIVE_REQUEST) :]
                await self._running.write(build_archive().data)
            else:
                piece = await self._running.read()
                if not piece:
                    raise await self._start_error(is_ready=False)
                received += piece
            if not any(line.startswith(received) or received.startswith(line) for line in expected):
                raise self._invalid_response_error("it printed something else than the agent's greeting")
        return received[len(READY) :]

    async def _read_first_message(self, piece: bytes) -> list[Any]:
        while True:
            messages = list(self._frames.take(piece)) if piece else []
            if messages:
                return messages[0]
            piece = await self._running.read()
            if not piece:
                raise await self._start_error(is_ready=True)

    def _check_greeting(self, message: list[Any]) -> None:
        info = message[1] if len(message) > 1 and message[0] == protocol.GREETING else None
        version = info.get("protocol") if isinstance(info, dict) else None
        if not isinstance(info, dict) or isinstance(version, bool) or not isinstance(version, int):
            raise self._invalid_response_error("it greeted as no agent does")
        if version != protocol.VERSION:
            advice = "update flow here"
            if version < protocol.VERSION:
                advice = f"remove {printable(str(info.get('root', '~/.local/state/flow/local/*')))}/bin there"
            raise ProviderError(
                f"the agent on {self._name!r} speaks version {version} of its protocol, and this flow speaks version"
                f" {protocol.VERSION}: {advice}, and try again"
            )
        self.greeting = info

    async def _start_error(self, *, is_ready: bool) -> ProviderError:
        """Returns the error for an agent that ended before its greeting."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._running.wait_closed()
        await self._wait_for_stderr(_STDERR_S)
        result = self._running.result
        if result is None or result.exit_code in _KILLED_CODES:
            return Lost(f"the agent on {self._name!r} was ended while it was started; try again")
        return start_error(self._name, result.exit_code, find_last_line(self._stderr), is_ready=is_ready)

    async def _wait_for_stderr(self, limit_s: float) -> None:
        """Waits for the end of standard error, at most `limit_s`: another process may keep it open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._stderr_ended.wait()

    def _dispatch(self, message: list[Any]) -> None:
        pending_call = self._pending.get(message[0]) if isinstance(message[0], int) else None
        if pending_call is not None:
            pending_call.take(message[1:])

    def _fail_calls(self, error: Exception) -> None:
        for pending_call in self._pending.values():
            pending_call.fail(error)

    def _lost_error(self) -> Lost:
        output = find_last_line(self._stderr)
        return Lost(f"the agent on {self._name!r} has ended" + (f": {output}" if output else ""))

    def _invalid_response_error(self, reason: str) -> ProviderError:
        return ProviderError(f"{self._name!r} did not answer as an agent does: {reason}")


class _PendingCall:
    """A call that waits for its response."""

    def __init__(self) -> None:
        self._response: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._timeout: asyncio.Timeout | None = None
        self._timeout_s = 0.0

    def take(self, message: list[Any]) -> None:
        """Takes the response, or restarts the timeout if the message reports progress."""
        if self._response.done():
            return
        if message[:1] != [protocol.PROGRESS]:
            self._response.set_result(message)
        elif self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    def fail(self, error: Exception) -> None:
        if not self._response.done():
            self._response.set_exception(error)

    async def answer(self, name: str, timeout_s: float) -> Any:
        """Waits for the response and returns its result."""
        self._timeout_s = timeout_s
        try:
            async with asyncio.timeout(timeout_s) as self._timeout:
                message = await self._response
        except TimeoutError:
            raise Unreachable(f"{name!r} did not answer within {timeout_s:g} s") from None
        return _parse_result(name, message)


def _parse_result(name: str, message: list[Any]) -> Any:
    """Returns the result of a response. Raises Refused for a refusal, ProviderError for a failure."""
    match message:
        case [protocol.OK, result, *_]:
            return result
        case [protocol.REFUSED, str(code), dict(details), *_]:
            refused = Refused(code)
            refused.details = details
            raise refused
        case [protocol.FAILED, str(reason), *_] if is_full(reason):
            raise ProviderError(f"there is no room on the disk of {name!r}; make room there, and try again")
        case [protocol.FAILED, str(reason), *_]:
            raise ProviderError(f"{name!r} could not do that: {reason}")
    raise ProviderError(f"{name!r} sent an invalid answer; update flow")


@asynccontextmanager
async def start_agent_process(
    name: str, host: SshHost, python: str | None, found_python: str | None
) -> AsyncIterator[AgentProcess]:
    """Starts an agent and yields it after its greeting. On exit, waits up to 2 s for the agent to end."""
    async with host.start(build_command_line(python, found_python)) as running:
        process = AgentProcess(name, running)
        workers = [asyncio.create_task(process.read_stderr())]
        try:
            await process.launch()
            workers += [asyncio.create_task(process.write_requests()), asyncio.create_task(process.listen())]
            try:
                yield process
            finally:
                process.leave()
                await asyncio.wait(workers[-1:], timeout=_LEAVE_S)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
