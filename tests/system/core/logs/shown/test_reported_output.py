"""Output that people reported as shown wrongly elsewhere: the right rows, which are those of tmux too."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from testbed.shown_rows import cells_of_screen, rows_of_log, rows_of_screen
from testbed.tables import each
from testbed.terminal_truth import Tmux

from flow_core.logs.text_style import PLAIN, TextStyle

_BARS = b"loading\n" + b"".join(
    b"\rrounds: %d/2" % outer + b"".join(b"\n\rparts: %d/3 acc=%d%d\x1b[A" % (part, outer, part) for part in range(4))
    for outer in range(2)
)
_LAYERS = b"[+] Pulling 0/2\n web  Queued\n db   Queued\n" + b"".join(
    b"\x1b[3A\x1b[2K[+] Pulling %d/2\n\x1b[2K web  %s\n\x1b[2K db   %s\n" % (count, state, state)
    for count, state in ((0, b"20%"), (1, b"100%"), (2, b"Done"))
)
_JSON = f'{{"values":[{",".join(map(str, range(20_000)))}],"end":1}}'
_MARKUP = "[red]x[/red] [/] [rank1]: [] [[b]] :smile: {{y}} \\[z]"
_MODES = b"\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[?25lquiet\x1b[?25h\x1b[?1000l\n"
_COMBINED = "進捗\r日\n e\u0301\u0301x\n👩\u200d🔬 ok\n"
_MARKS = "אב\u200f 1\nlog\u200e.json\nline\u2028end\n"
_UTF_16 = b"\xff\xfe" + "Okay\r\nFail: disk\r\n".encode("utf-16-le")


class Case(NamedTuple):
    """`terminal_rows` are the rows of tmux where they differ."""

    name: str
    data: bytes
    rows: list[str]
    terminal_rows: list[str] | None = None


CASES = (
    Case("nested bars", _BARS + b"\rrounds: 2/2\n\nend\n", ["loading", "rounds: 2/2", "parts: 3/3 acc=13", "end"]),
    Case("block redrawn with cursor up", _LAYERS + b"up\n", ["[+] Pulling 2/2", " web  Done", " db   Done", "up"]),
    Case(
        "spinner that erases its row",
        b"".join(b"\x1b[2K\x1b[1G%s linking" % frame for frame in (b"-", b"+", b"x")) + b"\x1b[2K\x1b[1Glinked\n",
        ["linked"],
    ),
    Case("spinner that moves to column 1", b"\x1b[Gfile 1\x1b[Gfile 2\x1b[Gfile 3\n", ["file 3"]),
    Case("spinner that moves left", b"-\x1b[1D\\\x1b[1D|\x1b[1D.\nready\n", [".", "ready"]),
    Case("spinner of backspaces", b"busy " + b"|\b/\b-\b" * 16000 + b"done\n", ["busy done"]),
    Case("bar without a line feed", b"start\n" + b"".join(b"\r%d of 9" % at for at in range(10)), ["start", "9 of 9"]),
    Case("shorter redraw over a longer one", b"\rdownloading 10%\rok\n", ["okwnloading 10%"]),
    Case("erased beginning of a row", b"password: hunter2\x1b[1K\rnext\n", ["next"]),
    Case("erased end of a row", b"token=abcdef\x1b[6D\x1b[K\n", ["token="]),
    Case("tab over text", b"abcdefghij\r\tX\n", ["abcdefghXj"]),
    Case("deleted, inserted and blanked columns", b"abcdef\x1b[4D\x1b[P\x1b[2@\x1b[2CX\x1b[3D\x1b[X\n", ["ab  Xef"]),
    Case("saved and restored position", b"\x1b7one\x1b8two\n\x1b[sthree\x1b[ufour\n", ["two", "foure"]),
    Case("two colours in a word", b"\x1b[33mWA\x1b[1mRN\x1b[0m: \x1b[4mslow\x1b[0m\n", ["WARN: slow"]),
    Case("brackets and markup", _MARKUP.encode() + b"\n", [_MARKUP]),
    Case("a long line of JSON", _JSON.encode() + b"\nafter\n", [_JSON, "after"]),
    Case("carriage returns before line feeds", b"one\r\ntwo\r\r\nthree\r\n", ["one", "two", "three"]),
    Case("sixel image", b"plot\n\x1bPq\"1;1;6;6#0;2;9;9;9#0!6~-\n#0!6~-\n\x1b\\below\n", ["plot", "below"]),
    Case("inline image", b"\x1b]1337;File=inline=1:" + b"QUJD" * 8000 + b"\x07below\n", ["below"]),
    Case("kitty image", b"\x1b_Gf=24,s=1,v=1;" + b"////" * 2000 + b"\x1b\\below\n", ["below"]),
    Case("hyperlink", b"\x1b]8;;https://example.org/r/7\x07the run\x1b]8;;\x07 ended\n", ["the run ended"]),
    Case("modes of the mouse and the screen", _MODES, ["quiet"]),
    Case("the alternate screen", b"before\n\x1b[?1049h\x1b[Hmenu\nitem\x1b[?1049lafter\n", ["before", "after"]),
    Case("cleared screen", b"one\ntwo\n\x1b[H\x1b[2Jthree\n", ["one", "two", "three"]),
    Case("cleared history", b"one\n\x1b[H\x1b[2J\x1b[3Jtwo\n", ["one", "two"], ["two"]),
    Case("wide and combined characters", _COMBINED.encode(), ["日捗", " e\u0301\u0301x", "👩\u200d🔬 ok"]),
    Case("marks of direction", _MARKS.encode(), ["אב\u200f 1", "log\u200e.json", "lineend"]),
    Case("streams in turn", b"1 out\n2 err\n3 out\n4 err\n", ["1 out", "2 err", "3 out", "4 err"]),
    Case("repeated characters", b"=\x1b[9b done\n", ["========== done"]),
    Case("scrolled screen", b"a\nb\x1b[Sc\n", ["a", "b", " c"]),
    Case("cursor up beyond the top", b"a\nb\n\x1b[9Ac\n", ["c", "b"]),
    Case("column beyond the last", b"\x1b[4000Cx\x1b[4000Dy\n", ["y" + " " * 998 + "x"]),
    Case("nothing but a line feed", b"\n\n\n", []),
    Case("UTF-16 of another system", _UTF_16 + b"plain\n", ["Okay", "Fail: disk", "plain"]),
)  # fmt: skip


@each("case", CASES, ids=lambda case: case.name)
def test_reported_output_has_the_rows_of_a_terminal(case: Case, tmp_path: Path) -> None:
    assert rows_of_screen(case.data) == case.rows
    assert rows_of_log(case.data, tmp_path) == case.rows


@pytest.mark.needs("tmux")
@each("case", CASES, ids=lambda case: case.name)
def test_tmux_shows_the_same_rows(case: Case, tmux: Tmux) -> None:
    assert tmux.rows_of(case.data) == (case.rows if case.terminal_rows is None else case.terminal_rows)


@pytest.mark.needs("tmux")
def test_a_title_without_an_end_hides_at_most_what_a_terminal_hides(tmux: Tmux) -> None:
    data = b"\x1b]0;no end\nnext\n\x1b[31mred\x1b[0m\n"
    assert rows_of_screen(data) == tmux.rows_of(data)


def test_an_open_colour_is_carried_into_the_next_rows() -> None:
    red = TextStyle(foreground=1, bold=True)
    assert cells_of_screen(b"a\n\x1b[1;31mb\n c\nd\x1b[0m\ne\n") == [
        (("a", PLAIN),),
        (("b", red),),
        ((" c", red),),
        (("d", red),),
        (("e", PLAIN),),
    ]


@each(
    "params, style",
    [
        ("0;1;38:5:208", TextStyle(foreground=208, bold=True)),
        ("38:2::255:0:9", TextStyle(foreground=(255, 0, 9))),
        ("38:2:255:0:9", TextStyle(foreground=(255, 0, 9))),
        ("48:2::1:2:3", TextStyle(background=(1, 2, 3))),
        ("38;2;10;200;30", TextStyle(foreground=(10, 200, 30))),
        ("4:3", TextStyle(underline=True)),
        ("32;4;4:0", TextStyle(foreground=2)),
        ("4;58;2;1;7;31", TextStyle(underline=True)),
        ("4;58;5;9", TextStyle(underline=True)),
        ("58:2::1:7:31", PLAIN),
        ("8", TextStyle(hidden=True)),
        ("8;28", PLAIN),
    ],
)
def test_colours_are_those_that_a_terminal_sets(params: str, style: TextStyle) -> None:
    assert cells_of_screen(f"\x1b[{params}mtext\n".encode()) == [(("text", style),)]
