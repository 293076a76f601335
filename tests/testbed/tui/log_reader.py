"""An app with nothing but a log view, and a log that the test writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.themed_app import ThemedApp
from textual.app import ComposeResult

from flow_core.agent.spool import STDOUT, SpoolFiles, SpoolWriter
from flow_tui.widgets.log import LogView

T0 = 1_800_000_000_000_000


class Source:
    """A log that a test writes."""

    def __init__(self, stem: Path) -> None:
        self.files = SpoolFiles.at(stem)
        self.now_us = T0
        self.writer = SpoolWriter(self.files, lambda: self.now_us)
        self.complete = False

    def write(self, data: bytes, stream: int = STDOUT) -> None:
        self.now_us += 1_500_000
        self.writer.append(stream, data)

    async def is_complete(self) -> bool:
        return self.complete


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    written = Source(tmp_path / "log")
    yield written
    written.writer.close()


class Reader(ThemedApp):
    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.follows: list[bool] = []
        self.statuses: list[str] = []
        self.counts: list[tuple[int, bool]] = []

    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        self.view.focus()
        self.view.open(self.source.files, self.source.is_complete)

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    def on_log_view_follow_changed(self, message: LogView.FollowChanged) -> None:
        self.follows.append(message.following)

    def on_log_view_searched(self, message: LogView.Searched) -> None:
        self.statuses.append(message.status)

    def on_log_view_counted(self, message: LogView.Counted) -> None:
        self.counts.append((message.lines, message.is_complete))

    def picture(self) -> list[str]:
        view = self.view
        return [view.render_line(y).text[1:-1].rstrip() for y in range(view.size.height)]

    def marks(self) -> list[str]:
        return [self.view.render_line(y).text[0] for y in range(self.view.size.height)]
