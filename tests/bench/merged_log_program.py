"""An app with nothing but a view of merged logs, and a row that shows how often a key was pressed."""

from __future__ import annotations

import sys
from pathlib import Path

from testbed.themed_app import ThemedApp
from textual.app import ComposeResult
from textual.widgets import Static

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.shown.shown_log import ShownLog
from flow_tui.widgets.log.merged_view import MergedLogView


class MergedLogProgram(ThemedApp):
    CSS = "Static { dock: top; height: 1; }"
    presses = 0

    def compose(self) -> ComposeResult:
        yield Static("ready", markup=False)
        yield MergedLogView()

    def on_mount(self) -> None:
        folder, count = Path(sys.argv[1]), int(sys.argv[2])
        files = [SpoolFiles.at(folder / f"rank-{number}") for number in range(count)]
        view = self.query_one(MergedLogView)
        view.show_time = True
        view.open_merged([MergedSource(f"rank {n}", ShownLog(one)) for n, one in enumerate(files)])

    def on_key(self) -> None:
        self.presses += 1
        self.query_one(Static).update(f"pressed-{self.presses}-times")


if __name__ == "__main__":
    MergedLogProgram().run()
