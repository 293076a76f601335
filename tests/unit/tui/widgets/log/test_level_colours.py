"""The colours of lines by their level."""

from __future__ import annotations

from rich.style import Style
from testbed.tables import each

from flow_core.logs.ansi import to_styled_runs
from flow_tui.widgets.log.rows import MARK, LogLayout, LogRow, LogStyles, LogText, lay_out_line

NAMED = {name: Style(color=colour) for name, colour in (("error", "red"), ("warning", "yellow"), ("stderr", "magenta"))}
STYLES = LogStyles.of(Style(color="white"), lambda name: NAMED.get(name, Style(color="cyan")))


def lay_out(raw: str, *, is_stderr: bool = False) -> LogRow:
    runs = to_styled_runs(raw)
    line = LogText(runs, "".join(text for text, _ in runs), is_stderr, None)
    return lay_out_line(line, LogLayout(80), STYLES, ())[0]


def colours_of(row: LogRow) -> list[str]:
    return [segment.style.color.name for segment in row.content if segment.style and segment.style.color]


@each(
    "text,is_stderr,colour",
    [
        ("2026-01-02 03:04:05 ERROR lost a peer", False, "red"),
        ("CRITICAL: the disk is full", False, "red"),
        ("ValueError: x", True, "red"),
        ("2026-01-02 03:04:05 WARNING slow", True, "yellow"),
        ("2026-01-02 03:04:05 INFO step 1", False, "white"),
        ("step 1 loss 2.3", False, "white"),
        ("2026-01-02 03:04:05 INFO step 1", True, "white"),
        ("step 1 loss 2.3", True, "magenta"),
    ],
)
def test_a_line_has_the_colour_of_its_level_and_else_that_of_its_stream(
    text: str, is_stderr: bool, colour: str
) -> None:
    row = lay_out(text, is_stderr=is_stderr)
    assert colours_of(row) == [colour]
    assert (row.margin.text == MARK) is is_stderr


def test_the_colours_of_the_program_stay() -> None:
    assert colours_of(lay_out("\x1b[32mERROR:\x1b[0m all is well")) == ["color(2)", "white"]
    assert colours_of(lay_out("\x1b[1mERROR:\x1b[0m bold is no colour")) == ["red", "red"]
