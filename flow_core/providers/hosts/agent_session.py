"""One agent process on a host, from its launch to its end, and the questions that it is asked meanwhile."""

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
from flow_core.providers.hosts.bootstrap_payload import archive, command, launcher
from flow_core.providers.hosts.launcher import READY, WANTED
from flow_core.providers.hosts.start_failures import said_by, start_error
from flow_core.ssh.full_disk import is_full

if TYPE_CHECKING:
    from flow_core.ssh.command import RunningCommand
    from flow_core.ssh.host import SshHost

_LAUNCH_S = 60.0
_LEAVE_S = 2.0
_SAID_BYTES = 2 << 10
_REST_S = 0.5
_ENDED_BY_SOMEBODY = (129, 137, 143)  # HUP, KILL and TERM, as shells tell of them


class Lost(Unreachable):
    """The process is gone, and the answer with it. Every call is safe to be asked again."""


class Stalled(Unreachable):
    """Nothing came of the start. The interpreter may be one that hangs."""


class Session:
    """Many coroutines may ask at once."""

    def __init__(self, name: str, running: RunningCommand) -> None:
        self._name = name
        self._running = running
        self._frames = protocol.FrameDecoder()
        self._numbers = count(1)
        self._asked: dict[int, _Question] = {}
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._said = bytearray()
        self._is_heard = asyncio.Event()
        self.greeting: dict[str, Any] = {}
        self.is_left = False
        self._ended = asyncio.Event()
        self.asked_at = time.monotonic()

    @property
    def is_lost(self) -> bool:
        return self._ended.is_set()

    @property
    def is_idle(self) -> bool:
        return not self._asked

    async def ended(self) -> None:
        """Returns once the process or the connection to it is gone."""
        await self._ended.wait()

    async def call(self, call: str, arguments: Mapping[str, Any], timeout_s: float) -> Any:
        """`timeout_s` counts anew whenever the agent says that it gets on.

        Raises Refused, ProviderError, Unreachable, and Lost where asking again makes sense.
        """
        if self.is_lost or self.is_left:
            raise self._lost()
        number, question = next(self._numbers), _Question()
        try:
            frame = protocol.encode_frame([number, call, dict(arguments)])
        except ValueError as error:
            raise ProviderError(f"{self._name!r} can't be asked that: {error}") from error
        self._asked[number] = question
        self.asked_at = time.monotonic()
        try:
            self._unsent.put_nowait(frame)
            return await question.answer(self._name, timeout_s)
        finally:
            del self._asked[number]
            self.asked_at = time.monotonic()

    async def launch(self) -> None:
        """Returns once the agent has greeted us. Raises ProviderError, PythonUnusable, Stalled, Unreachable."""
        try:
            async with asyncio.timeout(_LAUNCH_S):
                await self._running.write(launcher())
                rest = await self._until_ready()
                greeting = await self._first_message(rest)
        except TimeoutError:
            raise Stalled(f"{self._name!r} did not start the agent within {_LAUNCH_S:g} s; try again") from None
        except protocol.ProtocolError as error:
            raise self._nonsense(str(error)) from None
        self._greet(greeting)

    async def listen(self) -> None:
        """Hands every answer to who waits for it, until the process ends or the connection is lost."""
        try:
            while piece := await self._running.read():
                for message in self._frames.take(piece):
                    self._take(message)
            await self._hear_the_rest(_REST_S)
        except Unreachable:
            pass
        except protocol.ProtocolError as error:
            self._fail(self._nonsense(str(error)))
        finally:
            self._ended.set()
            self._fail(self._lost())

    async def speak(self) -> None:
        """Sends what is asked, one question after the other and each of them whole, whoever still waits for it."""
        while True:
            await self._running.write(await self._unsent.get())

    async def hear(self) -> None:
        """Keeps the end of what comes on standard error."""
        with suppress(Unreachable):
            while piece := await self._running.read(2):
                self._said += piece
                del self._said[:-_SAID_BYTES]
        self._is_heard.set()

    def leave(self) -> None:
        """Lets the agent end by itself, once it has answered what it was asked. Twice is safe."""
        if not self.is_left:
            self.is_left = True
            self._running.write_eof()

    async def _until_ready(self) -> bytes:
        """What came after the line that says so."""
        held = b""
        expected = [READY, WANTED]
        while not held.startswith(READY):
            if held.startswith(WANTED):
                expected, held = [READY], held[len(WANTED) :]
                await self._running.write(archive().data)
            else:
                piece = await self._running.read()
                if not piece:
                    raise await self._not_started(is_ready=False)
                held += piece
            if not any(line.startswith(held) or held.startswith(line) for line in expected):
                raise self._nonsense("it printed something else than the agent's greeting")
        return held[len(READY) :]

    async def _first_message(self, piece: bytes) -> list[Any]:
        while True:
            messages = list(self._frames.take(piece)) if piece else []
            if messages:
                return messages[0]
            piece = await self._running.read()
            if not piece:
                raise await self._not_started(is_ready=True)

    def _greet(self, message: list[Any]) -> None:
        info = message[1] if len(message) > 1 and message[0] == protocol.GREETING else None
        version = info.get("protocol") if isinstance(info, dict) else None
        if not isinstance(info, dict) or isinstance(version, bool) or not isinstance(version, int):
            raise self._nonsense("it greeted as no agent does")
        if version != protocol.VERSION:
            advice = "update flow here"
            if version < protocol.VERSION:
                advice = f"remove {printable(str(info.get('root', '~/.local/state/flow/local/*')))}/bin there"
            raise ProviderError(
                f"the agent on {self._name!r} speaks version {version} of its protocol, and this flow speaks version"
                f" {protocol.VERSION}: {advice}, and try again"
            )
        self.greeting = info

    async def _not_started(self, *, is_ready: bool) -> ProviderError:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._running.wait_closed()
        await self._hear_the_rest(_REST_S)
        result = self._running.result
        if result is None or result.exit_code in _ENDED_BY_SOMEBODY:
            return Lost(f"the agent on {self._name!r} was ended while it was started; try again")
        return start_error(self._name, result.exit_code, said_by(self._said), is_ready=is_ready)

    async def _hear_the_rest(self, limit_s: float) -> None:
        """Standard error ends after standard output, or as long after it as something there keeps it open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._is_heard.wait()

    def _take(self, message: list[Any]) -> None:
        question = self._asked.get(message[0]) if isinstance(message[0], int) else None
        if question is not None:
            question.take(message[1:])

    def _fail(self, error: Exception) -> None:
        for question in self._asked.values():
            question.fail(error)

    def _lost(self) -> Lost:
        said = said_by(self._said)
        return Lost(f"the agent on {self._name!r} has ended" + (f": {said}" if said else ""))

    def _nonsense(self, why: str) -> ProviderError:
        return ProviderError(f"{self._name!r} did not answer as an agent does: {why}")


class _Question:
    """One that was asked, and has no answer yet."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._clock: asyncio.Timeout | None = None
        self._timeout_s = 0.0

    def take(self, said: list[Any]) -> None:
        if self._answer.done():
            return
        if said[:1] != [protocol.PROGRESS]:
            self._answer.set_result(said)
        elif self._clock is not None and not self._clock.expired():
            self._clock.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    def fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)

    async def answer(self, name: str, timeout_s: float) -> Any:
        self._timeout_s = timeout_s
        try:
            async with asyncio.timeout(timeout_s) as self._clock:
                said = await self._answer
        except TimeoutError:
            raise Unreachable(f"{name!r} did not answer within {timeout_s:g} s") from None
        return _result(name, said)


def _result(name: str, said: list[Any]) -> Any:
    match said:
        case [protocol.OK, result, *_]:
            return result
        case [protocol.REFUSED, str(code), dict(details), *_]:
            refused = Refused(code)
            refused.details = details
            raise refused
        case [protocol.FAILED, str(why), *_] if is_full(why):
            raise ProviderError(f"there is no room on the disk of {name!r}; make room there, and try again")
        case [protocol.FAILED, str(why), *_]:
            raise ProviderError(f"{name!r} could not do that: {why}")
    raise ProviderError(f"{name!r} sent an answer that is none; update flow")


@asynccontextmanager
async def started(name: str, host: SshHost, python: str | None, known: str | None) -> AsyncIterator[Session]:
    """A session that has greeted us. When it is left, the agent is given a moment to end by itself."""
    async with host.start(command(python, known)) as running:
        session = Session(name, running)
        helpers = [asyncio.create_task(session.hear())]
        try:
            await session.launch()
            helpers += [asyncio.create_task(session.speak()), asyncio.create_task(session.listen())]
            try:
                yield session
            finally:
                session.leave()
                await asyncio.wait(helpers[-1:], timeout=_LEAVE_S)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
