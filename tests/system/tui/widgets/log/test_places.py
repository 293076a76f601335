"""Places in the log view: columns, times, the current line and bookmarks."""

from __future__ import annotations

from datetime import datetime

from testbed.tui.log_reader import T0, Reader, Source
from testbed.waiting import until

LONG = "".join(f"<{n}>" for n in range(30))  # 110 cells


def last_cells(app: Reader) -> str:
    """The column of the scroll bar."""
    return "".join(app.view.render_line(y).text[-1] for y in range(app.view.size.height))


async def test_sideways_scrolling_stops_at_the_end_of_the_longest_line_in_view(source: Source) -> None:
    source.write(f"{LONG}\nshort\n".encode())
    app = Reader(source)
    async with app.run_test(size=(40, 4)):
        await until(lambda: app.picture()[1] == "short")
        for _ in range(50):
            app.view.action_scroll_right()
        assert app.picture()[0] == LONG[-38:]
        assert app.picture()[1] == ""
        app.view.action_line_start()
        assert app.picture()[0] == LONG[:38]
        app.view.action_line_end()
        assert app.picture()[0] == LONG[-38:]
        app.view.action_scroll_left()
        assert app.picture()[0] == LONG[-46:-8]
        app.view.action_line_start()
        source.write(b"\n" * 4)
        await until(lambda: app.picture() == [""] * 4)
        app.view.action_line_end()
        app.view.action_scroll_right()
        assert app.view._left == 0


async def test_every_column_of_a_very_long_line_is_reached(source: Source) -> None:
    text = "".join(f"{n:06d}," for n in range(15_000))
    source.write(text.encode() + b"END\n")
    app = Reader(source)
    async with app.run_test(size=(40, 4)):
        await until(lambda: app.picture()[0].startswith("000000"))
        app.view.action_line_end()
        assert app.picture()[0] == (text + "END")[-38:]
        app.view.action_scroll_left()
        assert app.picture()[0] == (text + "END")[-46:-8]


async def test_cut_rows_are_marked_at_the_side_where_they_are_cut(source: Source) -> None:
    source.write(f"{LONG}\nshort\n\n{'漢' * 30}\n".encode())
    app = Reader(source)
    async with app.run_test(size=(40, 5)):
        await until(lambda: app.picture()[1] == "short")
        assert last_cells(app) == "›  › "
        assert app.marks() == [" "] * 5
        app.view.action_scroll_right()
        assert last_cells(app) == "›  › "
        assert app.marks() == ["‹", "‹", " ", "‹", " "]
        assert app.picture()[0] == LONG[8:46]  # the marks cover no text
        app.view.action_line_end()
        assert last_cells(app) == "     "
        app.view.action_toggle_wrap()
        assert last_cells(app) == "     "
        assert set(app.marks()) == {" "}


async def test_a_cut_row_that_has_a_mark_shows_where_it_is_cut_in_its_text(source: Source) -> None:
    source.write(LONG.encode() + b"\n", stream=1)
    app = Reader(source)
    async with app.run_test(size=(40, 2)):
        await until(lambda: app.marks()[0] == "▌")
        app.view.action_scroll_right()
        assert (app.marks()[0], app.picture()[0]) == ("▌", "‹" + LONG[9:46])
        app.view.action_toggle_time()
        assert app.view.render_line(0).text[13:16] == "‹" + LONG[8:10]


async def test_the_time_of_a_redrawn_line_is_that_of_its_last_state(source: Source) -> None:
    source.write(b"10%")
    source.write(b"\r90%")
    app = Reader(source)
    async with app.run_test(size=(40, 2)):
        app.view.action_toggle_time()
        last = datetime.fromtimestamp(T0 / 1_000_000 + 3)
        await until(lambda: app.picture()[0] == f"{last:%H:%M:%S}.000 90%")


async def test_the_date_is_shown_where_it_changes(source: Source) -> None:
    midnight = datetime(2027, 3, 9).astimezone()
    for seconds in (-2, 1, 4):
        source.now_us = int((midnight.timestamp() + seconds) * 1_000_000) - 1_500_000
        source.write(b"line\n")
    app = Reader(source)
    async with app.run_test(size=(40, 4)) as pilot:
        app.view.action_toggle_time()
        await until(lambda: app.picture()[:3] == ["23:59:58.000 line", " 9 Mar 00:00 line", "00:00:04.000 line"])
        assert app.view.shown_date == "2027-03-08"
        await pilot.resize_terminal(40, 2)
        await until(lambda: app.view.shown_date == "2027-03-09", explain=app.picture)


async def test_the_seconds_since_the_line_above_are_shown(source: Source) -> None:
    for step_us in (0, 0, 250_000, 3_600_000_000, 400_000 * 1_000_000):
        source.now_us += step_us
        source.write(b"line\n")
    app = Reader(source)
    async with app.run_test(size=(40, 6)) as pilot:
        app.view.action_toggle_delta()
        await until(lambda: app.picture()[4].endswith("line"))
        deltas = [row.removesuffix("line").strip() for row in app.picture()]
        assert deltas == ["", "+1.500", "+1.750", "+3601.50", "+4.6d", ""]
        app.view.action_toggle_time()
        first = datetime.fromtimestamp(T0 / 1_000_000 + 3)
        assert app.picture()[1] == f"{first:%H:%M:%S}.000   +1.500 line"
        await pilot.resize_terminal(40, 2)
        await until(lambda: len(app.picture()) == 2)
        assert "+4.6d" in app.picture()[1]
        assert "+3601.50" in app.picture()[0]  # its line above is not in view


async def test_the_current_line_is_the_marked_one_if_it_is_in_view(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(100)))
    app = Reader(source)

    def current() -> str:
        line = app.view.current_line
        return "" if line is None else line.text

    async with app.run_test(size=(40, 10)):
        await until(lambda: current() == "line 99")
        app.view.go_to(source.files.log.read_bytes().index(b"line 50"))
        assert (current(), app.view.following) == ("line 50", False)
        assert app.picture()[app.marks().index("▸")] == "line 50"
        app.view.action_scroll_home()
        assert current() == "line 0"
        app.view.action_follow()
        assert current() == "line 99"
        app.view.open(None)
        assert app.view.current_line is None


async def test_bookmarked_lines_are_marked(source: Source) -> None:
    source.write(b"one\ntwo\nthree\n")
    app = Reader(source)
    async with app.run_test(size=(40, 4)):
        await until(lambda: app.picture()[0] == "one")
        app.view.bookmarks = frozenset({4})
        assert app.marks() == [" ", "◆", " ", " "]
        app.view.go_to(5)
        assert app.marks() == [" ", "▸", " ", " "]
