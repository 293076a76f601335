"""Search in the log view: matches are marked, counted and kept in view."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from testbed.tui.log_reader import Reader, Source
from testbed.waiting import until
from textual import events
from textual.app import ComposeResult

from flow_tui.widgets.log import LogView


async def test_a_match_found_while_the_view_has_no_room_is_in_view_afterwards(source: Source) -> None:
    source.write(b"".join(b"line %d\n" % n for n in range(3000)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        await until(lambda: app.picture()[-1] == "line 2999")
        app.view.find("line 1234")
        app.view.styles.height = 0
        await until(lambda: "searching" in app.statuses and len(app.statuses) > 2)
        app.view.styles.height = "1fr"
        await pilot.pause()
        await until(lambda: "line 1234" in app.picture())


async def test_search_goes_to_the_next_and_the_previous_match_and_marks_them(source: Source) -> None:
    source.write(b"".join(b"step %d %s\n" % (n, b"ERROR" if n % 100 == 37 else b"ok") for n in range(1000)))
    app = Reader(source)

    def current() -> str:
        return next((line for line, mark in zip(app.picture(), app.marks(), strict=True) if mark == "▸"), "")

    async with app.run_test(size=(60, 10)):
        app.view.action_scroll_home()
        app.view.find(r"err\w+")
        await until(lambda: current() == "step 37 ERROR")
        await until(lambda: "10 lines match" in app.statuses)
        row = app.picture().index("step 37 ERROR")
        await until(lambda: any(part.text == "ERROR" for part in app.view.render_line(row)))
        app.view.action_next_match()
        await until(lambda: current() == "step 137 ERROR")
        app.view.action_previous_match()
        await until(lambda: current() == "step 37 ERROR")
        app.view.action_previous_match()
        await until(lambda: current() == "step 937 ERROR")
        await until(lambda: app.statuses[-1] == "search continued from the end, 10 lines match")
        app.view.find("nothing like it")
        await until(lambda: app.statuses[-1] == "no match")
        app.view.find("(")
        await until(lambda: "not a regular expression" in app.statuses[-1])


async def test_a_pattern_that_never_ends_leaves_the_view_alive_and_can_be_given_up(source: Source) -> None:
    source.write(b"a" * 60 + b"!\n" + b"b\n" * 50)
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.action_scroll_home()
        app.view.find("(a+)+$")
        await until(lambda: "searching" in app.statuses)
        source.write(b"still here\n")
        app.view.action_follow()
        await until(lambda: app.picture()[-1] == "still here", within_s=1.0)
        app.view.clear_search()
        app.view.find("still")
        await until(lambda: "1 line matches" in app.statuses)


async def test_how_many_lines_match_stays_said_where_that_was_known_before_the_first_match(source: Source) -> None:
    source.write(b"step 1\nERROR\nstep 2\n")
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.find("error")
        assert app.view._search._matches is not None
        finder, counter = app.view._search._matches._finder, app.view._search._matches._counter
        while finder._child is None:
            await asyncio.sleep(0)  # at once: it must not have answered yet
        child = finder._child
        os.kill(child.pid, signal.SIGSTOP)  # as a busy machine may do
        await until(lambda: counter._child is not None)
        await until(lambda: counter._child is None)
        os.kill(child.pid, signal.SIGCONT)
        await until(lambda: app.view._search.match_offset is not None)
        await until(lambda: app.statuses[-1] == "1 line matches", explain=lambda: app.statuses)


async def test_what_a_search_found_stays_in_view_when_the_view_gets_another_size(source: Source) -> None:
    source.write(b"step 1\nERROR\nstep 2\n")
    app = Reader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.find("error")
        await until(lambda: app.follows[-1:] == [False])
        for rows in (9, 10):  # as when the pane has something to say below it
            await pilot.resize_terminal(60, rows)
            await until(lambda rows=rows: app.view.size.height == rows)
        assert not app.view.following
        app.view.action_follow()
        assert app.view.following


@pytest.mark.parametrize("sizes", [(9, 10), (10, 9), (8, 9, 10, 9)], ids=str)
async def test_the_end_stays_in_view_below_a_match_when_the_view_gets_another_size(
    source: Source, sizes: tuple[int, ...]
) -> None:
    source.write(b"".join(b"step %d\n" % step for step in range(40)) + b"ERROR\nlast\n")
    app = Reader(source)
    async with app.run_test(size=(60, sizes[0])) as pilot:
        app.view.find("error")
        await until(lambda: app.follows[-1:] == [False])
        for rows in sizes[1:]:
            await pilot.resize_terminal(60, rows)
            await until(
                lambda rows=rows: len(app.picture()) == rows and app.picture()[-2:] == ["ERROR", "last"],
                explain=app.picture,
            )
        await pilot.resize_terminal(60, 1)
        await until(lambda: app.picture() == ["ERROR"], explain=app.picture)


class LateLogView(LogView):
    """Hears of a new size only when the test says so, as behind a full queue of messages."""

    is_late = False

    def on_resize(self, event: events.Resize) -> None:  # type: ignore[override]
        if self.is_late:
            event.prevent_default()


class LateReader(Reader):
    def compose(self) -> ComposeResult:
        yield LateLogView()


@pytest.mark.parametrize("is_drawn", [True, False], ids=["a frame between", "a match between"])
async def test_the_end_stays_in_view_where_something_comes_between_a_size_and_its_message(
    source: Source, is_drawn: bool
) -> None:
    source.write(b"".join(b"step %d\n" % step for step in range(40)) + b"ERROR\nlast\n")
    app = LateReader(source)
    async with app.run_test(size=(60, 10)) as pilot:
        app.view.find("error")
        await until(lambda: app.follows[-1:] == [False])
        if not is_drawn:
            app.view.action_follow()
        app.view.is_late = True  # type: ignore[attr-defined]
        await pilot.resize_terminal(60, 9)
        await until(lambda: app.view.size.height == 9)
        if is_drawn:
            app.view._redraw()
        else:
            app.view.go_to(app.view._search.match_offset or 0)
        LogView.on_resize(app.view)
        assert app.picture()[-2:] == ["ERROR", "last"]
