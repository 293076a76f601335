"""A session: the slices in which it feeds its core, and the lines that show how its shell ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from testbed.tui.each_core import OpenCore

from flow_tui.terminal.core_events import OscEvents
from flow_tui.terminal.session import Ending, ShellSession, leave_application, show_lines

LINES = Ending(0, "").lines


def rows_after(new_core: OpenCore, output: bytes) -> list[str]:
    core = new_core(60, 6)
    core.feed(output)
    leave_application(core)
    core.take_dirty_rows()  # as a frame does, which updates the cursor and the rows
    show_lines(core, LINES)
    core.take_dirty_rows()
    return [text for y in range(6) if (text := "".join(run.text for run in core.get_row(y)).rstrip())]


@pytest.mark.parametrize(
    ("output", "before"),
    [
        (b"", []),
        (b"done\r\n", ["done"]),
        (b"no end of line", ["no end of line"]),
        (b"step 7 of 9, 93 %, 4 minutes left\r", ["step 7 of 9, 93 %, 4 minutes left"]),
    ],
    ids=["nothing", "a line", "half a line", "a cursor at the start of its line"],
)
def test_they_are_below_the_output_of_the_shell(new_core: OpenCore, output: bytes, before: list[str]) -> None:
    assert rows_after(new_core, output) == [*before, *LINES]


class Flood:
    """A shell that writes sixteen pieces and ends."""

    title = "flood"

    async def read(self) -> AsyncIterator[bytes]:
        for _ in range(16):
            yield b"0123456\n" * (1 << 13)

    async def write(self, data: bytes) -> None:
        pass

    async def resize(self, columns: int, rows: int) -> None:
        pass

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        pass


class CountedCore:
    """A core that takes output at once, and keeps the size of each slice."""

    cols, rows = 80, 24

    def __init__(self) -> None:
        self.events = OscEvents()
        self.slices: list[int] = []

    def feed(self, data: bytes) -> None:
        self.slices.append(len(data))


async def test_a_fast_core_is_fed_in_large_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CountedCore()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 0.0)  # it takes no time at all
    ending = await ShellSession(core, Flood(), lambda: None).run()  # type: ignore[arg-type]  # what a session calls
    assert ending == Ending(0, "")
    assert sum(core.slices) == 1 << 20
    assert core.slices[0] == 4096
    assert len(core.slices) < 100  # slices of 4 kB would be 256
