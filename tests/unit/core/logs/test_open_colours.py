"""The colours that are open somewhere in a log."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.line_counter import BLOCK, LineCounter
from flow_core.logs.open_colours import apply_colours, find_last_reset
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.logs.text_style import PLAIN, TextStyle

RED, BOLD = TextStyle(foreground=1), TextStyle(bold=True)
PARTS = st.sampled_from(
    [b"x", b"\n", b"\x1b[31m", b"\x1b[1m", b"\x1b[m", b"\x1b[0m", b"\x1b[0;4m", b"\x1b[0;1H", b"\x1b[22;39m", b"\x1b"]
)


@example([b"\x1b[31m", b"\x1b[0;1H"])
@given(st.lists(PARTS, max_size=12))
def test_the_open_colours_are_those_of_a_terminal(parts: list[bytes]) -> None:
    data = b"".join(parts)
    screen = LiveScreen(0, BOLD)
    screen.feed(data + b"x")
    assert apply_colours(BOLD, data + b"x", len(data)) == screen.style


def test_only_sequences_that_begin_before_the_end_count() -> None:
    data = b"\x1b[31mx\x1b[0m"
    assert apply_colours(PLAIN, data, 6) == RED
    assert apply_colours(RED, data, 7) == PLAIN
    assert find_last_reset(data, 6) == -1
    assert find_last_reset(data, 7) == 6


def test_the_index_keeps_the_open_colours_of_each_part_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    line = b"a line without any colour\n"
    cut = b"x" * (BLOCK - 2 - (BLOCK // len(line) - 10) * len(line)) + b"\x1b[31m"  # the block ends within it
    path.write_bytes(line * (BLOCK // len(line) - 10) + cut + line * (2 * BLOCK // len(line)))
    index = LineCounter(path)
    assert index.find_open_style(5) == (0, PLAIN)
    index.update()
    assert index.find_open_style(BLOCK - 1) == (0, PLAIN)
    assert index.find_open_style(BLOCK) == (BLOCK, RED)
    assert index.find_open_style(3 * BLOCK) == (2 * BLOCK, RED)
    with path.open("ab") as file:
        file.write(b"\x1b[0m" + line * (BLOCK // len(line)))
    index.update()
    assert index.find_open_style(10 * BLOCK) == (3 * BLOCK, PLAIN)


def test_rows_in_view_get_their_colours_once_the_index_has_passed_them(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "rank-0")
    files.log.write_bytes(b"\x1b[31m" + b"a line whose colour was set long before\n" * 80_000)
    log, index = ShownLog(files), LineCounter(files.log)
    log.refresh()
    assert log.lines_before(log.size, 1)[0].runs[0][1] == PLAIN
    assert not log.correct_colours(index)
    index.update()
    assert log.correct_colours(index)
    assert log.lines_before(log.size, 1)[0].runs[0][1] == RED
    assert not log.correct_colours(index)
    log.close()


def test_a_block_that_is_made_exact_has_the_colours_of_the_index(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "rank-0")
    plain = b"a line whose colour was set long before\n" * 80_000
    files.log.write_bytes(b"\x1b[31m" + plain + b"first\nsecond\n" + b"\x1b[A\rsecond again\n" * 40_000)
    log, index = ShownLog(files), LineCounter(files.log)
    log.refresh()
    index.update()
    log.correct_colours(index)
    asyncio.run(log.make_exact(log.size - 1, log.size))
    assert log.is_exact(log.size - 1, log.size)
    assert log.lines_before(log.size, 1)[0].runs[0][1] == RED
    log.close()
