"""Connects a shell to a terminal core: output in slices to the core, input and sizes to the shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from flow_core.errors import FlowError
from flow_tui.terminal.cells import to_plain_text

if TYPE_CHECKING:
    from flow_core.logs.text_style import Colour, TextStyle
    from flow_core.providers.contract.access import Shell
    from flow_tui.terminal.core import TerminalCore

_SLICE_S = 0.004
_SLICE_BYTES, _SLICE_BYTES_MAX = 4096, 1 << 16
_WAIT_S = 10.0
_LOST_S = 1.0  # after a lost connection, the exit code is rarely known
_INPUT_QUEUE_BYTES_MAX = 1 << 20
_REOPEN = "press enter to reopen the shell"
_FLAGS = ("bold", 1), ("dim", 2), ("italic", 3), ("underline", 4), ("blink", 5), ("reverse", 7), ("strike", 9)


# Resets what a program may have set: margins, insert mode, line drawing, no wrapping, key modes, mouse reports.
_RESET = b"\x1b[!p\x1b[?7h\x1b[?1l\x1b>\x1b[<99u\x1b[>4;0m\x1b[?9;1000;1002;1003;1004;1005;1006;1015;1016;2004l\x1b[0m"


class Recorder(Protocol):
    """A recorder of a session."""

    def write_output(self, data: bytes) -> None:
        """Records output. Raises FlowError if it can't be written."""

    def write_size(self, columns: int, rows: int) -> None:
        """Records a new size. Raises FlowError if it can't be written."""


class Ending(NamedTuple):
    """The end of a shell: its exit code (None if unknown), and the error as a sentence; empty if there is none."""

    code: int | None
    reason: str

    @property
    def lines(self) -> list[str]:
        """The lines that show how the shell ended, and which key reopens it."""
        if self.reason or self.code is None:
            return [*_add_brackets(self.reason), f"[connection lost: {_REOPEN}]"]
        return [f"[exit code {self.code}: {_REOPEN}]"]


class ShellSession:
    """One shell on one terminal core. The caller that opened the shell closes it."""

    def __init__(
        self, core: TerminalCore, shell: Shell, changed: Callable[[], None], *, answers_queries: bool = True
    ) -> None:
        """Connects the shell. Calls `changed` after every slice of output. `answers_queries`: queries get replies."""
        self.core = core
        self._answers_queries = answers_queries
        self.is_live = True
        self.recorder: Recorder | None = None
        self._shell = shell
        self._changed = changed
        self._outbox = bytearray()
        self._slice_bytes = _SLICE_BYTES
        self._has_keys = asyncio.Event()
        self._has_size = asyncio.Event()

    async def run(self) -> Ending:
        """Feeds the core until the shell ends. Call it only once."""
        self._has_size.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                senders = [tasks.create_task(self._send_keys()), tasks.create_task(self._send_sizes())]
                reason = await self._feed_output()
                for sender in senders:
                    sender.cancel()
        finally:
            self.is_live = False
        return await self._wait_for_ending(reason)

    def send(self, data: bytes) -> bool:
        """Queues input for the shell; drops it if the shell has ended.

        Returns False if the queue is full, because the shell reads nothing.
        """
        if not self.is_live or not data:
            return True
        if len(self._outbox) + len(data) > _INPUT_QUEUE_BYTES_MAX:
            return False
        self._outbox += data
        self._has_keys.set()
        return True

    def resize(self, cols: int, rows: int) -> None:
        """Resizes the core immediately, and then the terminal of the shell."""
        self.core.resize(cols, rows)
        self._has_size.set()
        self._write_to_recorder(lambda recorder: recorder.write_size(cols, rows))

    def record(self, recorder: Recorder | None) -> None:
        """Starts a recording with the current screen; None ends the recording. Drops a recorder that fails."""
        self.recorder = recorder
        self._write_to_recorder(lambda recorder: recorder.write_output(encode_screen(self.core)))

    def _write_to_recorder(self, write: Callable[[Recorder], None]) -> None:
        if self.recorder is None:
            return
        try:
            write(self.recorder)
        except FlowError:
            self.recorder = None
            self._changed()

    async def _feed_output(self) -> str:
        # No queue: the shell is paused until its next piece is read, so this holds at most one piece. No deadline: a
        # shell may be silent for days.
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
        """Feeds the core for a few milliseconds at a time, and lets the event loop do other work in between."""
        loop = asyncio.get_running_loop()
        start, began = 0, loop.time()
        until = began + _SLICE_S
        while start < len(piece):
            part = piece[start : start + self._slice_bytes]
            self.core.feed(part)
            self._write_to_recorder(lambda recorder, part=part: recorder.write_output(part))  # type: ignore[misc]
            start, now = start + len(part), loop.time()
            self._adapt_slice(len(part), now - began)
            began = now
            if now >= until:
                await self._end_slice()
                began = loop.time()
                until = began + _SLICE_S
        await self._end_slice()

    def _adapt_slice(self, fed: int, took_s: float) -> None:
        """Adapts the number of bytes between two looks at the clock to the speed of the core.

        The cores differ by a factor of a hundred, and the native one spends most of its time on small slices.
        """
        if took_s > _SLICE_S:
            self._slice_bytes = max(self._slice_bytes // 2, _SLICE_BYTES)
        elif took_s < _SLICE_S / 4 and fed == self._slice_bytes:
            self._slice_bytes = min(self._slice_bytes * 2, _SLICE_BYTES_MAX)

    async def _end_slice(self) -> None:
        replies = self.core.events.take_replies()
        if self._answers_queries:
            self.send(replies)
        self._changed()
        await asyncio.sleep(0)

    async def _send_keys(self) -> None:
        # No deadline on writing: a program that doesn't read its input is not lost, and the queue is bounded.
        try:
            while True:
                await self._has_keys.wait()
                self._has_keys.clear()
                data = bytes(self._outbox)
                self._outbox.clear()
                await self._shell.write(data)
        except FlowError:
            return  # reading ends, too, and returns the reason

    async def _send_sizes(self) -> None:
        while True:
            await self._has_size.wait()
            self._has_size.clear()
            try:
                async with asyncio.timeout(_WAIT_S):
                    await self._shell.resize(self.core.cols, self.core.rows)
            except (FlowError, TimeoutError):
                continue

    async def _wait_for_ending(self, reason: str) -> Ending:
        try:
            async with asyncio.timeout(_LOST_S if reason else _WAIT_S):
                return Ending(await self._shell.wait(), reason)
        except FlowError as error:
            return Ending(None, reason or str(error))
        except TimeoutError:
            return Ending(None, reason)


def describe_open_failure(reason: str) -> list[str]:
    """Returns the lines that show why no shell was opened, and which key tries again."""
    return [*_add_brackets(reason), f"[{_REOPEN}]"]


def _add_brackets(reason: str) -> list[str]:
    return [f"[{to_plain_text(reason)}]"] if reason else []


def leave_application(core: TerminalCore) -> None:
    """Returns to the main screen. Feeds CAN first, because the last sequence may be incomplete."""
    core.scroll_to(0)
    # Without the alternate screen, this sequence would move the cursor to the home position.
    leave = b"\x1b[?1049l" if core.modes.alternate_screen else b""
    core.feed(b"\x18" + leave + b"\x1b[?2026l\x1b[?25h\x1b[0m")


def show_lines(core: TerminalCore, lines: Sequence[str]) -> None:
    """Resets the modes of the terminal and writes lines below its text.

    Starts at the last known cursor position, because the reset moves the cursor. If that row contains text, even behind
    the cursor, starts on the next row.
    """
    cursor = core.cursor
    has_text = cursor.x or any(run.text.strip() for run in core.get_row(cursor.y))
    place = f"\x1b[{cursor.y + 1};{cursor.x + 1}H" + ("\r\n" if has_text else "")
    core.feed(_RESET + (place + "\r\n".join(lines) + "\r\n\x1b[?25l").encode())


def encode_screen(core: TerminalCore) -> bytes:
    """Encodes the visible rows and the cursor as output, without the scrollback."""
    parts = ["\x1b[?1049h" if core.modes.alternate_screen else "", "\x1b[0m\x1b[2J"]
    for y in range(core.rows):
        parts.append(f"\x1b[{y + 1};1H")
        parts += [f"\x1b[{_encode_style(run.style)}m{run.text}" for run in core.get_row(y)]
    cursor = core.cursor
    parts.append(f"\x1b[0m\x1b[{cursor.y + 1};{cursor.x + 1}H\x1b[?25{'h' if cursor.visible else 'l'}")
    return "".join(parts).encode()


def _encode_style(style: TextStyle) -> str:
    codes = ["0", *(str(code) for name, code in _FLAGS if getattr(style, name))]
    codes += _encode_color(38, style.foreground) + _encode_color(48, style.background)
    return ";".join(codes)


def _encode_color(introducer: int, color: Colour | None) -> list[str]:
    if color is None:
        return []
    if isinstance(color, int):
        return [f"{introducer};5;{color}"]
    return [f"{introducer};2;{color[0]};{color[1]};{color[2]}"]
