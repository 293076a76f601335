"""The logs pane, in a running app."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from testbed.bare_services import bare_services
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import ComposeResult

from flow_core.agent.spool import STDOUT, SpoolFiles, SpoolWriter
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.panes.logs.pane import LogsPane
from flow_tui.panes.logs.row_kind import RowKind
from flow_tui.widgets.announce import announce
from flow_tui.widgets.log import LogView


class Desk(ThemedApp):
    def compose(self) -> ComposeResult:
        yield LogsPane(bare_services())

    @property
    def pane(self) -> LogsPane:
        return self.query_one(LogsPane)


async def never() -> bool:
    return False


def spool(path: Path, data: bytes) -> SpoolFiles:
    files = SpoolFiles.at(path)
    writer = SpoolWriter(files, lambda: time.time_ns() // 1000)
    writer.append(STDOUT, data)
    writer.close()
    return files


def record(name: str) -> TaskRecord:
    return TaskRecord("local", name, name, TaskStatus.RUNNING)


async def test_the_border_tells_whose_log_it_is_whether_it_follows_and_how_long_it_is(tmp_path: Path) -> None:
    app = Desk()
    async with app.run_test(size=(80, 12)):
        assert app.pane.border_title == "Log"
        assert "No task is selected." in app.pane.view.render_line(0).text
        files = spool(tmp_path / "a", b"x\n" * 1234)
        await app.pane.show(record("train[bold]"), files, never)
        await until(lambda: app.pane.border_subtitle == "1,234 lines")
        assert "train[bold]  following" in app.pane._border_title.plain  # type: ignore[union-attr]
        app.pane.view.action_scroll_up()
        await until(lambda: str(app.pane.border_title).endswith("not following"))
        await app.pane.show(record("train[bold]"), files, never)
        assert not app.pane.view.following
        await app.pane.show(None, None)
        assert app.pane.border_title == "Log"


async def test_of_a_task_with_merged_streams_it_says_why_nothing_is_of_stderr(tmp_path: Path) -> None:
    app, files = Desk(), spool(tmp_path / "a", b"out\n")
    async with app.run_test(size=(80, 12)):
        await app.pane.show(replace(record("train"), config={"streams": "merged"}), files, never)
        app.pane.cycle_stream()
        await until(lambda: "out" in app.pane.view.render_line(0).text)
        app.pane.cycle_stream()
        wanted = "stdout and stderr are merged: the task was submitted with streams: merged"
        await until(lambda: wanted in app.pane.view.render_line(0).text)
        await app.pane.show(record("train"), files, never)
        await until(lambda: "no output on stderr" in app.pane.view.render_line(0).text)


async def test_a_search_is_typed_run_and_left_with_escape(tmp_path: Path) -> None:
    app = Desk()
    async with app.run_test(size=(80, 12)) as pilot:
        await app.pane.show(record("train"), spool(tmp_path / "a", b"x\n" * 50 + b"found it\n" + b"y\n" * 50), never)
        app.pane.view.action_scroll_home()
        app.pane.open_row(RowKind.SEARCH)
        await pilot.press(*"f", "(", "enter")
        await until(lambda: "not a regular expression" in str(app.pane.status.render()))
        assert app.pane.status.has_class("-problem")
        await pilot.press("backspace", *"ound", "enter")
        await until(lambda: str(app.pane.status.render()) == "1 of 1")
        assert app.pane.view.has_focus
        assert any("found it" in app.pane.view.render_line(y).text for y in range(10))
        app.pane.open_row(RowKind.SEARCH)
        await pilot.press("escape")
        assert app.pane.view.has_focus
        assert not app.pane.row.display
        assert not app.pane.status.display


async def test_the_row_of_a_search_stays_while_there_is_nothing_to_say(tmp_path: Path) -> None:
    app = Desk()
    async with app.run_test(size=(80, 12)) as pilot:
        await app.pane.show(record("train"), spool(tmp_path / "a", b"x\n" * 50 + b"found it\n"), never)
        app.pane.open_row(RowKind.SEARCH)
        await pilot.press(*"found", "enter")
        await until(lambda: str(app.pane.status.render()) == "1 of 1")
        height = app.pane.view.size.height
        announce(app.pane.view, LogView.Searched(app.pane.view, "", False))
        await until(lambda: not str(app.pane.status.render()))
        await pilot.pause()
        assert app.pane.view.size.height == height
        await pilot.press("escape")
        app.pane.step_back()
        await until(lambda: app.pane.view.size.height == height + 1)
