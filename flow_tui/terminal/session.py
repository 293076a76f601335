"""A shell and its terminal joined: output in slices, keys and sizes the other way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from flow_core.errors import FlowError
from flow_tui.terminal.cells import plain_text
from flow_tui.terminal.snapshot import snapshot

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell
    from flow_tui.terminal.core import TerminalCore

_SLICE_S = 0.004
_SLICE_BYTES = 4096
_WAIT_S = 10.0
_LOST_S = 1.0  # where reading broke, hardly anybody knows an exit code
_TYPED_AHEAD_BYTES = 1 << 20


# What a program may have left behind: margins, insert mode, line drawing and so on, wrapping off, key modes, a mouse
# that is reported.
_RESET = b"\x1b[!p\x1b[?7h\x1b[?1l\x1b>\x1b[<99u\x1b[>4;0m\x1b[?9;1000;1002;1003;1004;1005;1006;1015;1016;2004l\x1b[0m"


class Recorder(Protocol):
    """Where a session is written down."""

    def output(self, data: bytes) -> None:
        """Raises FlowError where it can't be written."""

    def resized(self, columns: int, rows: int) -> None:
        """Raises FlowError where it can't be written."""


class Ending(NamedTuple):
    """How a shell ended: its exit code where somebody knew, and what went wrong, as a sentence."""

    code: int | None
    reason: str

    @property
    def lines(self) -> list[str]:
        """What the user reads, with what can be done now."""
        if self.reason or self.code is None:
            return [*_bracketed(self.reason), "[connection lost: enter opens it again]"]
        return [f"[exit code {self.code}: enter opens another]"]


class Session:
    """One shell on one terminal. Whoever opened the shell closes it."""

    def __init__(
        self, core: TerminalCore, shell: Shell, changed: Callable[[], None], *, answers_queries: bool = True
    ) -> None:
        """Without `answers_queries`, the far side gets no answer to what it asks the terminal."""
        self.core = core
        self._answers_queries = answers_queries
        self.is_live = True
        self.recorder: Recorder | None = None
        self._shell = shell
        self._changed = changed
        self._outbox = bytearray()
        self._has_keys = asyncio.Event()
        self._has_size = asyncio.Event()

    async def run(self) -> Ending:
        """Feeds the terminal until the shell ends, calling `changed` after every slice. Run it once."""
        self._has_size.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                senders = [tasks.create_task(self._send_keys()), tasks.create_task(self._tell_sizes())]
                reason = await self._show()
                for sender in senders:
                    sender.cancel()
        finally:
            self.is_live = False
        return await self._ending(reason)

    def send(self, data: bytes) -> bool:
        """Queues bytes for the far side, in order. False where it has not read for so long that there is no room."""
        if not self.is_live or not data:
            return True
        if len(self._outbox) + len(data) > _TYPED_AHEAD_BYTES:
            return False
        self._outbox += data
        self._has_keys.set()
        return True

    def resize(self, cols: int, rows: int) -> None:
        """The terminal at once, then the far side."""
        self.core.resize(cols, rows)
        self._has_size.set()
        self._write_down(lambda recorder: recorder.resized(cols, rows))

    def record(self, recorder: Recorder | None) -> None:
        """From now on, beginning with what is on the screen; None ends it. A recorder that fails is let go."""
        self.recorder = recorder
        self._write_down(lambda recorder: recorder.output(snapshot(self.core)))

    def _write_down(self, write: Callable[[Recorder], None]) -> None:
        if self.recorder is None:
            return
        try:
            write(self.recorder)
        except FlowError:
            self.recorder = None
            self._changed()

    async def _show(self) -> str:
        # No queue and no deadline: the far side is paused while nobody asks for its next piece, so at most one
        # piece is held here, and a shell may be silent for days.
        output = self._shell.read()
        try:
            async for piece in output:
                await self._feed(piece)
        except FlowError as error:
            return str(error)
        finally:
            if isinstance(output, AsyncGenerator):
                await output.aclose()
        return ""

    async def _feed(self, piece: bytes) -> None:
        """A few milliseconds at a time, with the event loop's other work in between."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SLICE_S
        for start in range(0, len(piece), _SLICE_BYTES):
            part = piece[start : start + _SLICE_BYTES]
            self.core.feed(part)
            self._write_down(lambda recorder, part=part: recorder.output(part))  # type: ignore[misc]
            if loop.time() >= until:
                await self._breathe()
                until = loop.time() + _SLICE_S
        await self._breathe()

    async def _breathe(self) -> None:
        replies = self.core.take_replies()
        if self._answers_queries:
            self.send(replies)
        self._changed()
        await asyncio.sleep(0)

    async def _send_keys(self) -> None:
        # No deadline on writing: a program that doesn't read its keys is not gone, and the outbox is bounded.
        try:
            while True:
                await self._has_keys.wait()
                self._has_keys.clear()
                data = bytes(self._outbox)
                self._outbox.clear()
                await self._shell.write(data)
        except FlowError:
            return  # reading ends too, and says why

    async def _tell_sizes(self) -> None:
        while True:
            await self._has_size.wait()
            self._has_size.clear()
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._shell.resize(self.core.cols, self.core.rows)
            except (FlowError, TimeoutError):
                continue

    async def _ending(self, reason: str) -> Ending:
        try:
            async with asyncio.timeout(_LOST_S if reason else _WAIT_S):
                return Ending(await self._shell.wait(), reason)
        except FlowError as error:
            return Ending(None, reason or str(error))
        except TimeoutError:
            return Ending(None, reason)


def not_opened(reason: str) -> list[str]:
    """What the user reads where no shell came of it."""
    return [*_bracketed(reason), "[enter tries again]"]


def _bracketed(reason: str) -> list[str]:
    return [f"[{plain_text(reason)}]"] if reason else []


def leave_application(core: TerminalCore) -> None:
    """Back to the main screen, where the scrollback is. CAN first: the last sequence may have been cut off."""
    core.scroll_to(0)
    # Leaving a screen that was never entered would send the cursor home.
    leave = b"\x1b[?1049l" if core.modes.alternate_screen else b""
    core.feed(b"\x18" + leave + b"\x1b[?2026l\x1b[?25h\x1b[0m")


def show_lines(core: TerminalCore, lines: Sequence[str]) -> None:
    """Makes the terminal as it starts, but for its text, and writes lines of ours below that.

    The cursor is taken from where it was last seen, since some of that sends it home.
    """
    cursor = core.cursor
    place = f"\x1b[{cursor.y + 1};{cursor.x + 1}H" + ("\r\n" if cursor.x else "")
    core.feed(_RESET + (place + "\r\n".join(lines) + "\r\n\x1b[?25l").encode())
