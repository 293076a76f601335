"""The view of several logs, in a running app, over real spools."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from testbed.merged_sources import START_US, LogOnDisk
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import ComposeResult

from flow_tui.widgets.log.merged_view import MergedLogView


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
        assert app.view.read_selection() == "line 1\nline 2\nline 3"


async def test_a_time_is_found_and_a_search_says_that_it_needs_one_log(app: MergedReader) -> None:
    async with app.run_test(size=(60, 6)) as pilot:
        offset = app.view.find_offset_at(datetime.fromtimestamp(START_US / 1e6 + 0.1, UTC))
        assert offset is not None
        app.view.go_to(offset)
        assert "rank 1 line 100" in app.picture()
        found = app.view.find_time(offset)
        assert found is not None
        assert found.timestamp() == pytest.approx(START_US / 1e6 + 0.1)
        app.view.find("line")
        await pilot.pause()
        assert app.statuses[-1].startswith("Show one log")
