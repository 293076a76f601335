"""The lines that show how a shell ended."""

from __future__ import annotations

import pytest
from testbed.tui.each_core import OpenCore

from flow_tui.terminal.session import Ending, leave_application, show_lines

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
