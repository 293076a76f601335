"""The few rows of docs/performance.md that README.md shows too, between two marks."""

from __future__ import annotations

from bench.page import BEGIN, END, MalformedPage, Page, make_line

HEAD = ("what", "flow-tui", "measured beside")
CHOSEN = {
    (
        "start",
        "live rows, 10,000 tasks, of an empty app",
    ): "first rows of 10,000 tasks, of an empty Textual app",
    ("start", "last known screen, of python printing"): "last known screen, of Python printing a line",
    ("idle", "idle CPU, nothing running, 1,000 ended"): "idle CPU, 1,000 ended tasks",
    ("memory", "RSS, 10,000 tasks and a log open, of an empty app"): "memory, 10,000 tasks, of an empty Textual app",
    ("tables", "key to frame, 10,000 live tasks, of DataTable"): "a key, 10,000 live tasks, of Textual's DataTable",
    ("tables", "10,000 rows anew, of DataTable's clear and add"): "10,000 new rows, of Textual's DataTable",
    ("log_open", "open 1000 MB, of toolong"): "open a log of 1 GB, of toolong",
    ("log_latency", "the same, of toolong"): "a line written until it is painted, of toolong",
    ("terminal", "50 MB, local, of tmux"): "50 MB printed in a shell, of tmux",
    ("sdk", "from flow_core import Flow, of the published SDK's"): "import of the SDK, of the published Flow SDK",
}
"""The part and the name of a row, and what README.md calls it."""


def show_rows(readme: str, page: Page) -> str:
    """Returns README.md with the chosen rows of the page. Raises MalformedPage."""
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise MalformedPage(f"README.md must hold the line {BEGIN!r} once, and {END!r} once below it")
    before, after = readme.split(BEGIN)[0], readme.split(END)[1]
    found = {(row.part, row.what): row for row in page.rows}
    rows = [(text, found[key].figure, found[key].note) for key, text in CHOSEN.items() if key in found]
    lines = [make_line(HEAD), "| --- | ---: | --- |", *map(make_line, rows)]
    return before + "\n".join([BEGIN, "", *lines, "", END]) + after
