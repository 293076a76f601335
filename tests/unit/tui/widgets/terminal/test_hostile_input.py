"""The terminal view under hostile output, keys, the mouse and sizes, all at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from testbed.tui.terminal_view import hosted, screen
from testbed.waiting import until
from textual import events

from flow_tui.terminal.session import ShellSession
from flow_tui.widgets.terminal import TerminalView

PREFIX = "ctrl+right_square_bracket"
KEYS = (PREFIX, "left_square_bracket", *"gGnNvVywbe0$/?hjklqx", "enter", "escape", "pageup", "ctrl+u", "space")
PIECES = (
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[?1002;1006h",
    b"\x1b[!p",
    b"\x1bc",
    b"\x1b[3J",
    b"\x1b]52;c;aGVsbG8=\x07",
    b"\x1b]8;;file:///etc/passwd\x1b\\x\x1b]8;;\x1b\\",
    b"\x1b[2;3r\x1b[?6h",
    b"\x1b[?2026h",
    b"\x07",
    "漢\U0001f468\u200d\U0001f469\u202e".encode(),
    b"line\r\n" * 50,
)
CORES = ["bittty", pytest.param("ghostty", marks=pytest.mark.needs("pyghostty"))]


class NoisyShell:
    """A shell whose output is random pieces; a test ends it."""

    title = "noise"

    def __init__(self, seed: int, pieces: int) -> None:
        self._random = random.Random(seed)
        self._pieces = pieces
        self.is_over = asyncio.Event()

    async def read(self) -> AsyncIterator[bytes]:
        for _ in range(self._pieces):
            yield self._random.choice(PIECES) + self._random.randbytes(self._random.randint(0, 400))
            await asyncio.sleep(0)
        await self.is_over.wait()

    async def write(self, data: bytes) -> None: ...

    async def resize(self, columns: int, rows: int) -> None: ...

    async def wait(self) -> int:
        return 0

    async def close(self) -> None: ...


@pytest.mark.parametrize("core", CORES)
async def test_keys_mouse_and_sizes_amid_noise_do_no_harm(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_TERMINAL_CORE", core)
    shell, chance = NoisyShell(5, 100), random.Random(6)
    async with hosted(shell) as (app, pilot):
        for step in range(40):
            await app.view._on_key(events.Key(chance.choice(KEYS), None))
            x, y = chance.randint(-2, 70), chance.randint(-2, 20)
            kind: Any = chance.choice((events.MouseDown, events.MouseMove, events.MouseUp, events.MouseScrollUp))
            event = kind(app.view, x, y, 0, 0, 1, chance.random() < 0.5, False, False, x, y)
            event._set_forwarded()
            app.view.post_message(event)
            if step % 10 == 0:
                await pilot.resize_terminal(chance.randint(1, 120), chance.randint(5, 50))
            screen(app)
            await pilot.pause()
        app.view.post_message(events.MouseUp(app.view, 1, 1, 0, 0, 1, True, False, False, 1, 1))
        await pilot.resize_terminal(80, 24)
        shell.is_over.set()
        await until(lambda: app.get(TerminalView.Ended))
        await until(lambda: "[exit code 0" in screen(app) or app.view.selection.scroll_position is not None)


@pytest.mark.parametrize("core", CORES)
async def test_any_size_keeps_the_terminal_whole(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_TERMINAL_CORE", core)
    from testbed.terminal_cores import open_core

    terminal, chance = open_core(80, 24), random.Random(8)
    session = ShellSession(terminal, NoisyShell(1, 0), lambda: None)
    terminal.feed("".join(f"{n} 漢字 {'x' * (n % 90)}\r\n" for n in range(300)).encode())
    for _ in range(100):
        session.resize(chance.randint(1, 250), chance.randint(1, 80))
        terminal.feed(chance.choice(PIECES))
        terminal.take_dirty_rows()
        assert all(sum(run.width for run in terminal.get_row(y)) == terminal.cols for y in range(terminal.rows))
        last = terminal.first_line + terminal.scrollback_rows + terminal.rows - 1
        assert len(terminal.get_line(last).cells) == terminal.cols
    terminal.close()


async def test_the_exit_line_fits_the_size_that_the_view_has_when_the_shell_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flow_tui.widgets.terminal.view._RESIZE_S", 1000)  # the shell ends before the size is applied
    shell = NoisyShell(1, 0)
    async with hosted(shell, size=(20, 10)) as (app, pilot):
        await pilot.resize_terminal(80, 24)
        await until(lambda: app.view._resize_timer is not None and app.view.size.width == 80)
        shell.is_over.set()
        await until(lambda: app.get(TerminalView.Ended))
        assert "[exit code 0: press enter to reopen the shell]" in screen(app)
