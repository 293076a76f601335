"""Selecting text in the log view, with the mouse and by lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from testbed.tui.log_reader import Reader, Source
from testbed.waiting import until
from textual import events
from textual.pilot import Pilot

from flow_core.agent.spool import STDERR
from flow_tui.widgets.log import LogView
from flow_tui.widgets.log.selector import COPY_LIMIT


class SelectingReader(Reader):
    """Remembers what the mouse has selected."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.selected: list[str | None] = []

    def on_log_view_selected(self, message: LogView.Selected) -> None:
        self.selected.append(message.view.read_selection())


@asynccontextmanager
async def view_of(source: Source, *lines: str, width: int = 40, height: int = 6) -> AsyncIterator[Drag]:
    source.write("".join(f"{line}\n" for line in lines).encode())
    app = SelectingReader(source)
    async with app.run_test(size=(width, height)) as pilot:
        await until(lambda: app.view.current_line is not None)
        yield Drag(app, pilot)


class Drag:
    def __init__(self, app: SelectingReader, pilot: Pilot[None]) -> None:
        self.app = app
        self.view = app.view
        self.pilot = pilot

    async def over(self, start: tuple[int, int], end: tuple[int, int]) -> str | None:
        """Drags from one cell of the view to another, both selected; returns the selected text."""
        before = len(self.app.selected)
        await self.pilot.mouse_down(LogView, offset=start)
        await self.pilot.hover(LogView, offset=end)
        await self.pilot.mouse_up(LogView, offset=end)
        await self.pilot.pause()
        return self.app.selected[-1] if len(self.app.selected) > before else ""

    def highlighted(self) -> list[str]:
        """The text of each row that has the style of a selection."""
        style = self.view._make_styles().selected
        return [
            "".join(
                part.text for part in self.view.render_line(y) if part.style and part.style.bgcolor == style.bgcolor
            )
            for y in range(self.view.size.height)
        ]


async def test_dragging_over_rows_selects_the_text_that_is_seen(source: Source) -> None:
    async with view_of(source, "first line", "second line", "third") as drag:
        assert await drag.over((1, 0), (5, 0)) == "first"
        assert await drag.over((7, 0), (6, 1)) == "line\nsecond"
        assert drag.highlighted() == ["line", "second", "", "", "", ""]
        assert await drag.over((6, 1), (7, 0)) == "line\nsecond"  # backwards
        assert await drag.over((0, 0), (38, 5)) == "first line\nsecond line\nthird"  # from the margin to below the text
        assert await drag.over((1, 4), (9, 5)) == ""


async def test_marks_times_and_the_scroll_bar_are_not_selected(source: Source) -> None:
    source.write(b"bad\n" * 20, STDERR)
    async with view_of(source, "end", width=60) as drag:
        drag.view.action_toggle_time()
        drag.view.action_toggle_delta()
        assert drag.app.marks()[0] == "▌"
        assert await drag.over((0, 4), (58, 5)) == "bad\nend"
        assert await drag.over((59, 0), (59, 3)) == ""
        assert "".join(drag.highlighted()) == ""


async def test_only_the_columns_in_view_are_selected_where_rows_are_cut(source: Source) -> None:
    async with view_of(source, "0123456789" * 8, "abcdefghij" * 8, width=32) as drag:
        assert await drag.over((1, 0), (3, 1)) == "0123456789" * 3 + "\nabc"
        drag.view.action_scroll_right()
        assert await drag.over((1, 0), (3, 1)) == ("0123456789" * 8)[8:38] + "\nija"


async def test_a_wrapped_line_is_selected_as_one_line(source: Source) -> None:
    text = "".join(f"<{n}>" for n in range(20))
    async with view_of(source, text, "short", width=32) as drag:
        drag.view.action_toggle_wrap()
        assert await drag.over((1, 0), (5, 3)) == text + "\nshort"
        assert await drag.over((5, 0), (2, 1)) == text[4:32]


async def test_a_wide_character_is_selected_as_a_whole(source: Source) -> None:
    async with view_of(source, "a漢字e\u0301z", "漢" * 30) as drag:
        assert await drag.over((3, 0), (4, 0)) == "漢字"  # from the second half to the first
        assert await drag.over((1, 0), (2, 0)) == "a漢"
        assert await drag.over((6, 0), (6, 0)) == ""  # a click
        assert await drag.over((5, 0), (6, 0)) == "字e\u0301"
        assert await drag.over((1, 1), (38, 1)) == "漢" * 19


async def test_a_selection_stays_on_its_text_while_the_log_grows_and_scrolls(source: Source) -> None:
    async with view_of(source, *(f"line {n}" for n in range(50))) as drag:
        assert await drag.over((1, 1), (6, 2)) == "line 45\nline 4"
        assert not drag.view.following
        source.write(b"".join(b"more %d\n" % n for n in range(50)))
        await until(lambda: drag.app.counts and drag.app.counts[-1][0] == 100)
        drag.view.scroll_rows(1)
        assert drag.highlighted()[:2] == ["line 45", "line 4"]
        drag.view.scroll_rows(-30)
        assert drag.view.read_selection() == "line 45\nline 4"


async def test_dragging_past_the_edge_scrolls_and_selects_more(source: Source) -> None:
    async with view_of(source, *(f"line {n}" for n in range(50)), height=6) as drag:
        await drag.pilot.mouse_down(LogView, offset=(1, 3))
        drag.view.on_mouse_move(_move_to(drag.view, 1, -1))
        await until(lambda: (drag.view.read_selection() or "").count("\n") > 5)
        drag.view.on_mouse_up()
        assert (drag.view.read_selection() or "").split("\n")[-2:] == ["line 46", "l"]


def _move_to(view: LogView, x: int, y: int) -> events.MouseMove:
    return events.MouseMove(view, x, y, 0, 0, 1, False, False, False, x, y)


async def test_a_click_drops_the_selection_and_marks_the_line(source: Source) -> None:
    async with view_of(source, "first", "second") as drag:
        await drag.over((1, 0), (3, 1))
        await drag.pilot.click(LogView, offset=(3, 1))
        assert drag.view.selector.selection is None
        assert drag.app.marks()[:2] == [" ", "▸"]
        assert drag.view.read_selection() == "second"


async def test_a_double_click_selects_a_word_and_a_triple_click_the_line(source: Source) -> None:
    async with view_of(source, "saved (/ckpt/step-10.pt), loss=0.5", "", "漢字 next") as drag:
        await drag.pilot.click(LogView, offset=(12, 0), times=2)
        assert drag.app.selected[-1] == "/ckpt/step-10.pt"
        await drag.pilot.click(LogView, offset=(12, 0), times=3)
        assert drag.app.selected[-1] == "saved (/ckpt/step-10.pt), loss=0.5"
        await drag.pilot.click(LogView, offset=(4, 2), times=2)
        assert drag.app.selected[-1] == "漢字"
        count = len(drag.app.selected)
        await drag.pilot.click(LogView, offset=(3, 1), times=2)
        await drag.pilot.click(LogView, offset=(3, 5), times=2)
        assert len(drag.app.selected) == count


async def test_the_view_has_no_selection_of_textual(source: Source) -> None:
    async with view_of(source, "first", "second") as drag:
        await drag.over((1, 0), (3, 1))
        assert drag.app.screen.get_selected_text() is None


async def test_lines_are_selected_over_any_distance(source: Source) -> None:
    async with view_of(source, *(f"line {n}" for n in range(3000))) as drag:
        view = drag.view
        view.action_select_lines()
        assert drag.highlighted() == ["", "", "", "", "", "line 2999"]
        view.action_scroll_up()
        view.action_page_up()
        assert view.read_selection() == "\n".join(f"line {n}" for n in range(2993, 3000))
        assert drag.highlighted()[0] == "line 2993"
        view.action_scroll_home()
        assert view.read_selection() == "\n".join(f"line {n}" for n in range(3000))
        assert drag.app.picture()[0] == "line 0"
        view.action_scroll_end()
        assert view.read_selection() == "line 2999"
        assert drag.app.picture()[-1] == "line 2999"
        view.action_half_page_up()
        view.action_scroll_down()
        assert view.read_selection() == "line 2997\nline 2998\nline 2999"
        assert not view.following
        view.action_select_lines()
        assert view.selector.selection is None


async def test_selected_lines_keep_the_moving_end_in_view_also_where_lines_wrap(source: Source) -> None:
    async with view_of(source, *(f"{n} " + "x" * 70 for n in range(30)), width=40, height=7) as drag:
        drag.view.action_toggle_wrap()
        drag.view.action_scroll_home()
        drag.view.action_select_lines()
        for n in range(1, 30):
            drag.view.action_scroll_down()
            assert any(row.strip().startswith(f"{n} x") for row in drag.highlighted()), n
        for n in reversed(range(29)):
            drag.view.action_scroll_up()
            assert any(row.strip().startswith(f"{n} x") for row in drag.highlighted()), n


async def test_an_empty_selected_line_is_seen_and_copied(source: Source) -> None:
    async with view_of(source, "a", "", "b") as drag:
        drag.view.action_scroll_home()
        drag.view.action_select_lines()
        drag.view.action_page_down()
        assert drag.view.read_selection() == "a\n\nb"
        assert drag.highlighted()[:3] == ["a", " ", "b"]


async def test_a_text_too_long_for_a_terminal_is_not_read(source: Source) -> None:
    async with view_of(source, *["x" * 1000] * (COPY_LIMIT // 1000 + 5)) as drag:
        drag.view.action_select_lines()
        drag.view.action_scroll_home()
        assert drag.view.read_selection() is None


@pytest.mark.parametrize("change", ["open", "stream", "escape"])
async def test_another_log_or_stream_drops_the_selection(source: Source, change: str) -> None:
    async with view_of(source, "first", "second") as drag:
        drag.view.action_select_lines()
        changes: dict[str, Callable[[], object]] = {
            "open": lambda: drag.view.open(source.files),
            "stream": drag.view.action_cycle_stream,
            "escape": drag.view.selector.clear,
        }
        changes[change]()
        assert drag.view.selector.selection is None
        assert "".join(drag.highlighted()) == ""
