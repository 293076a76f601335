"""Search in the log view: matches are marked, counted and kept in view."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from testbed.sshd import list_children
from testbed.tui.log_reader import Reader, Source
from testbed.waiting import until
from textual import events
from textual.app import ComposeResult

from flow_core.logs.search.log_search import SearchMatch
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
        await until(lambda: "1 of 10" in app.statuses)
        row = app.picture().index("step 37 ERROR")
        await until(lambda: any(part.text == "ERROR" for part in app.view.render_line(row)))
        app.view.action_next_match()
        await until(lambda: current() == "step 137 ERROR")
        app.view.action_previous_match()
        await until(lambda: current() == "step 37 ERROR")
        app.view.action_previous_match()
        await until(lambda: current() == "step 937 ERROR")
        await until(lambda: app.statuses[-1] == "search continued from the end, 10 of 10")
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
        await until(lambda: app.picture()[-1] == "still here", within_s=10.0)
        app.view.clear_search()
        app.view.find("still")
        await until(lambda: "1 of 1" in app.statuses)


async def test_the_count_is_shown_before_the_first_match_is_found(source: Source) -> None:
    source.write(b"step 1\nERROR\nstep 2\n")
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.find("error")
        assert app.view._search._matches is not None
        finder = app.view._search._matches._search._finder
        while finder._child is None:
            await asyncio.sleep(0)  # at once: it must not have answered yet
        child = finder._child
        os.kill(child.pid, signal.SIGSTOP)  # as a busy machine may do
        await until(lambda: "searching, 1 match" in app.statuses)
        os.kill(child.pid, signal.SIGCONT)
        await until(lambda: app.statuses[-1] == "1 of 1", explain=lambda: app.statuses)


async def test_a_search_at_the_end_goes_backward_and_so_does_the_next_step(source: Source) -> None:
    source.write(b"".join(b"step %d %s\n" % (n, b"ERROR" if n % 100 == 37 else b"ok") for n in range(1000)))
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        await until(lambda: app.picture()[-1] == "step 999 ok")
        app.view.find("error", literal=True)
        await until(lambda: "10 of 10" in app.statuses)
        app.view.action_next_match()
        await until(lambda: app.statuses[-1] == "9 of 10")
        app.view.action_previous_match()
        await until(lambda: app.statuses[-1] == "10 of 10")
        app.view.action_scroll_home()
        app.view.action_previous_match()
        await until(lambda: app.statuses[-1] == "1 of 10")  # continues from what is in view


async def test_a_match_far_to_the_right_comes_into_view_in_a_cut_and_in_a_wrapped_line(source: Source) -> None:
    source.write(b"first\n" + b"x" * 5000 + b" needle " + b"y" * 3000 + b"\n" + b"line\n" * 50)
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.action_scroll_home()
        app.view.find("needle", literal=True)
        await until(lambda: any("needle" in line for line in app.picture()))
        app.view.wrap = True
        await until(lambda: app.view._left == 0 and any("needle" in line for line in app.picture()))
        app.view.action_scroll_home()
        app.view.action_next_match()
        await until(lambda: any("needle" in line for line in app.picture()))


async def test_what_is_written_during_a_search_is_counted_too(source: Source) -> None:
    source.write(b"step 1\nERROR\n")
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.find("error")
        await until(lambda: app.statuses[-1:] == ["1 of 1"])
        source.write(b"a second ERROR\n")
        await until(lambda: app.statuses[-1] == "1 of 2")


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
            app.view._show_match(app.view._search.match or SearchMatch(0, 0, 1))
        LogView.on_resize(app.view)
        assert app.picture()[-2:] == ["ERROR", "last"]


async def test_a_search_that_ends_just_before_its_view_goes_away_leaves_no_process(source: Source) -> None:
    source.write(b"needle\n" * 20)
    before = set(list_children(os.getpid()))
    app = Reader(source)
    async with app.run_test(size=(60, 10)):
        app.view.find("needle")
        await until(lambda: app.statuses and "20" in app.statuses[-1])
        await until(lambda: set(list_children(os.getpid())) - before)
        app.view.clear_search()
        await app.view.remove()
        await until(lambda: not set(list_children(os.getpid())) - before, within_s=10)
