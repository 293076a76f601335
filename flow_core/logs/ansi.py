"""Converts one line of output to the text that a terminal would show. The result can't act on a terminal."""

from __future__ import annotations

from flow_core.logs.shown.line import Runs
from flow_core.logs.shown.screen import LiveScreen


def to_plain_text(text: str) -> str:
    """Returns one line as a terminal would show it, without colours; the last row if it moved the cursor down."""
    return "".join(run for run, _ in to_styled_runs(text))


def to_styled_runs(text: str) -> Runs:
    """Returns one line as `to_plain_text` does, in runs of equal style."""
    screen = LiveScreen(0)
    screen.feed(text.encode("utf-8", "replace"))
    return screen.stack.get_row(max(0, screen.count_shown_rows() - 1)).to_runs()
