"""The view of several logs, in a running app, over real spools."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from testbed.merged_sources import START_US, LogOnDisk
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import ComposeResult

from flow_core.agent.spool import STDERR, STDOUT
from flow_core.logs.filtered.line_filter import NO_FILTERS, LineFilter
from flow_core.logs.search.query import SearchQuery
from flow_tui.widgets.log.merged_view import MergedLogView
from flow_tui.widgets.log.rows import FOUND


class MergedReader(ThemedApp):
    """An app with a view of these logs."""

    def __init__(self, disks: list[LogOnDisk]) -> None:
        super().__init__()
        self.disks = disks
        self.complete = False
        self.statuses: list[str] = []

    def compose(self) -> ComposeResult:
        yield MergedLogView()

    def on_mount(self) -> None:
        self.view.focus()
        self.view.open_merged([disk.source() for disk in self.disks], self.is_complete)

    async def is_complete(self) -> bool:
        return self.complete

    def on_log_view_searched(self, message: MergedLogView.Searched) -> None:
        self.statuses.append(message.status)

    @property
    def view(self) -> MergedLogView:
        return self.query_one(MergedLogView)

    @property
    def status(self) -> str:
        """The last status of the search."""
        return self.statuses[-1] if self.statuses else ""

    def current(self) -> str:
        """The line with the mark of the current match."""
        rows = (self.view.render_line(y).text for y in range(self.view.size.height))
        return next((row[1:-1].rstrip() for row in rows if row.startswith(FOUND)), "")

    def picture(self) -> list[str]:
        view = self.view
        return [view.render_line(y).text[1:-1].rstrip() for y in range(view.size.height)]


@pytest.fixture
def app(tmp_path: Path) -> MergedReader:
    disks = [LogOnDisk(tmp_path, number) for number in range(3)]
    for disk in disks:
        disk.write((time, f"line {time}") for time in range(disk.number, 300, 3))
    return MergedReader(disks)


async def test_it_opens_at_the_end_and_follows_every_log(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        await until(lambda: app.picture()[-1] == "rank 2 line 299")
        assert app.picture() == [f"rank {time % 3} line {time}" for time in range(294, 300)]
        app.disks[1].write([(400, "one more")])
        await until(lambda: app.picture()[-1] == "rank 1 one more")
        app.disks[0].write([(401, "the end")])
        app.complete = True
        await until(lambda: app.picture()[-1] == "rank 0 the end")


async def test_it_scrolls_through_all_logs_and_keeps_its_place_while_they_grow(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        assert app.picture() == [f"rank {time % 3} line {time}" for time in range(6)]
        seen = [app.picture()[0]]
        for _ in range(293):
            app.view.action_scroll_down()
            seen.append(app.picture()[0])
        assert seen == [f"rank {time % 3} line {time}" for time in range(294)]
        app.view.action_page_up()
        before, size = app.picture(), app.view.log_size
        app.disks[0].write([(500, "new")])
        await until(lambda: app.view.log_size > size)
        assert app.picture() == before
        app.view.action_follow()
        assert app.picture()[-1] == "rank 0 new"


async def test_logs_are_switched_off_and_on_again_and_the_last_one_stays(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        app.view.scroll_rows(30)
        assert app.picture()[0] == "rank 0 line 30"
        app.view.toggle_log(1)
        assert app.picture()[:3] == ["rank 0 line 30", "rank 2 line 32", "rank 0 line 33"]
        app.view.toggle_log(0)
        assert app.picture()[:2] == ["rank 2 line 32", "rank 2 line 35"]
        app.view.toggle_log(2)
        app.view.toggle_log(7)
        assert app.view.hidden_logs == {0, 1}
        app.view.show_all_logs()
        assert app.picture()[:2] == ["rank 2 line 32", "rank 0 line 33"]


async def test_each_log_has_its_colour_and_times_of_arrival_are_marked(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    disks[0].write([(5_250, "one")])
    disks[1].files.log.write_text("two\n")
    app = MergedReader(disks)
    async with app.run_test(size=(60, 4)):
        app.view.action_toggle_time()
        first, second = (app.view.render_line(y) for y in range(2))
        local = datetime.fromtimestamp(START_US / 1e6 + 5.25, UTC).astimezone()
        assert first.text.split() == [f"{local:%H:%M:%S}.250", "rank", "0", "one"]
        assert second.text.split()[-3:] == ["rank", "1", "two"]
        assert second.text[1] == "~"
        labels = [next(part.style for part in strip if "rank" in part.text) for strip in (first, second)]
        assert labels[0] != labels[1]


async def test_a_selection_goes_over_the_lines_of_several_logs(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        app.view.selector.start_lines(app.view._painter.rows[1].offset)
        app.view.selector.move(2)
        assert app.view.read_selection() == "rank 1 line 1\nrank 2 line 2\nrank 0 line 3"
        app.view.selector.clear()
        assert app.view.read_selection() == "rank 0 line 0"


async def test_a_time_is_found(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        offset = app.view.find_offset_at(datetime.fromtimestamp(START_US / 1e6 + 0.1, UTC))
        assert offset is not None
        app.view.go_to(offset)
        assert "rank 1 line 100" in app.picture()
        found = app.view.find_time(offset)
        assert found is not None
        assert found.timestamp() == pytest.approx(START_US / 1e6 + 0.1)


async def test_a_search_goes_through_the_logs_in_the_order_of_their_lines(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        app.view.find(r"[57]0$")  # in each of the three logs
        found = [f"rank {time % 3} line {time}" for time in range(300) if time % 100 in (50, 70)]
        await until(lambda: app.current() == found[0])
        await until(lambda: app.status == "1 of 6")
        row = app.picture().index(found[0])
        await until(lambda: any(part.text == "50" for part in app.view.render_line(row)))
        for number in (2, 3, 4, 5, 6):
            app.view.action_next_match()
            await until(lambda number=number: app.current() == found[number - 1])  # type: ignore[misc]
            await until(lambda number=number: app.status == f"{number} of 6")  # type: ignore[misc]
        app.view.action_next_match()
        await until(lambda: app.status == "search continued from the start, 1 of 6")
        assert app.current() == found[0]
        app.view.action_previous_match()
        await until(lambda: app.status == "search continued from the end, 6 of 6")
        assert app.current() == found[5]
        app.view.action_previous_match()
        await until(lambda: app.current() == found[4])


async def test_hidden_logs_are_not_searched_and_growing_ones_are_counted_on(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.find(r"[57]0$")
        await until(lambda: app.current() == "rank 0 line 270")  # backward from the end
        await until(lambda: app.status == "6 of 6")
        app.view.toggle_log(0)
        await until(lambda: app.status == "4 matches")
        app.view.action_next_match()
        await until(lambda: app.current() == "rank 1 line 250")
        await until(lambda: app.status == "4 of 4")
        app.disks[2].write([(400, "line 470"), (401, "more")])
        await until(lambda: app.status == "4 of 5")
        app.view.action_previous_match()
        await until(lambda: app.current() == "rank 2 line 470")
        app.view.find("nothing like it")
        await until(lambda: app.status == "no match")
        app.view.find("(")
        await until(lambda: "not a regular expression" in app.status)


async def test_a_stream_and_all_redraws_are_shown_of_every_log(tmp_path: Path) -> None:
    disks = [LogOnDisk(tmp_path, number) for number in range(2)]
    for disk in disks:
        disk.write([(10 + disk.number, "10 %\r20 %"), (20 + disk.number, "out")])
        disk.write([(30 + disk.number, "warning")], STDERR)
    app = MergedReader(disks)
    async with app.run_test(size=(60, 10)):
        assert app.picture()[:6] == [f"rank {n % 2} {text}" for text in ("20 %", "out", "warning") for n in (0, 1)]
        app.view.stream = STDERR
        assert app.picture()[:3] == ["rank 0 warning", "rank 1 warning", ""]
        disks[0].write([(40, "error")], STDERR)
        disks[1].write([(41, "output")])
        await until(lambda: app.picture()[2] == "rank 0 error")
        app.view.find("w")
        await until(lambda: app.status == "2 of 2")
        app.view.stream = STDOUT
        assert app.picture()[:5] == ["rank 0 20 %", "rank 1 20 %", "rank 0 out", "rank 1 out", "rank 1 output"]
        app.view.action_next_match()
        await until(lambda: app.status == "no match")
        app.view.clear_search()
        app.view.stream = None
        app.view.action_toggle_redraws()
        assert app.picture()[:5] == ["rank 0 10 %", "rank 0 20 %", "rank 1 10 %", "rank 1 20 %", "rank 0 out"]


async def test_the_line_at_the_top_stays_there_when_the_stream_is_switched(app: MergedReader) -> None:
    app.disks[0].write([(400, "error")], STDERR)
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        app.view.scroll_rows(100)
        assert app.picture()[0] == "rank 1 line 100"
        app.view.stream = STDOUT
        assert app.picture()[0] == "rank 1 line 100"
        app.view.stream = None
        assert app.picture()[0] == "rank 1 line 100"


async def test_filters_keep_and_hide_lines_of_all_logs_and_the_search_covers_these(app: MergedReader) -> None:
    keeps, hides = LineFilter(SearchQuery("5")), LineFilter(SearchQuery("line 2"), hides=True)
    every = [time for time in range(300) if "5" in str(time)]
    async with app.run_test(size=(60, 6)):
        await until(lambda: app.picture()[-1] == "rank 2 line 299")
        app.view.filters = NO_FILTERS.add(keeps)
        await until(lambda: app.picture() == [f"rank {time % 3} line {time}" for time in every[-6:]])
        app.disks[1].write([(400, "no"), (401, "and 5 more")])
        await until(lambda: app.picture()[-1] == "rank 1 and 5 more")
        app.view.filters = app.view.filters.add(hides)
        shown = [time for time in every if not str(time).startswith("2")]
        await until(lambda: app.picture()[:5] == [f"rank {time % 3} line {time}" for time in shown[-5:]])
        app.view.find("9")
        await until(lambda: app.status == "4 of 4")
        assert app.current() == "rank 0 line 195"
        app.view.toggle_log(0)
        await until(lambda: "rank 1 and 5 more" in app.picture() and "rank 0" not in "".join(app.picture()))
        app.view.toggle_log(0)
        app.view.action_follow()
        await until(lambda: app.picture()[:5] == [f"rank {time % 3} line {time}" for time in shown[-5:]])
        app.view.filters = NO_FILTERS
        await until(lambda: app.picture()[-2:] == ["rank 1 no", "rank 1 and 5 more"])


async def test_the_line_at_the_top_stays_there_when_a_filter_finds_lines_around_it(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)):
        app.view.action_scroll_home()
        app.view.scroll_rows(150)
        assert app.picture()[0] == "rank 0 line 150"
        app.view.filters = NO_FILTERS.add(LineFilter(SearchQuery("5")))
        await until(lambda: app.picture()[:3] == ["rank 0 line 150", "rank 1 line 151", "rank 2 line 152"])
        app.view.scroll_rows(-1)
        assert app.picture()[0] == "rank 1 line 145"
