"""Text as a terminal would show it, and nothing that a terminal would obey."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.logs.ansi import to_plain_text, to_styled_runs
from flow_core.logs.escape import escape_controls
from flow_core.logs.text_style import PLAIN, TextStyle

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\x1b\x9b\x9d[]();?0123456789mKHJAP\\\r\b\t\x07\n\x00\x7f\u202e漢e\u0301🙂\ud800"),
        st.characters(),
    ),
    max_size=80,
)


def is_harmless(text: str) -> bool:
    return all(unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char != "\u202e" for char in text)


@given(HOSTILE)
@example("\x1b]0;title")
@example("\x1b[38;2;300;1m\x1b[999999999999999999999m\x1b[\u0663m")
@example("漢\b\rx\x1b[K")
def test_nothing_that_a_terminal_obeys_is_ever_left(text: str) -> None:
    assert is_harmless(to_plain_text(text))
    assert is_harmless(escape_controls(text))
    assert all(isinstance(style, TextStyle) and run for run, style in to_styled_runs(text) if run)


@given(st.binary(max_size=120))
def test_any_bytes_at_all_become_harmless_text(data: bytes) -> None:
    assert is_harmless(to_plain_text(data.decode("utf-8", "replace")))


@each(
    ("raw", "shown"),
    [
        ("plain [bold]text[/]", "plain [bold]text[/]"),
        (" 10%|#  |\r 20%|## |\r100%|###|", "100%|###|"),
        ("long line\rab", "abng line"),
        ("long line\r\x1b[Kab", "ab"),
        ("old\x1b[2K\rnew", "new"),
        ("ab\b\bcd", "cd"),
        ("a\tb", "a       b"),
        ("1234567\tb", "1234567 b"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGk=\x07ok", "ok"),
        ("\x1bPq#0;2\x1b\\ok", "ok"),
        ("\x1b(B\x1b[?25l\x1b[2J\x1b[3;3Hok\x1b", "  ok"),
        ("ring\x07", "ring"),
        ("nul\x00del\x7f", "nuldel"),
        ("c1 \x9b31m", "c1 \ufffd31m"),
        ("rtl \u202eevil", "rtl \ufffdevil"),
        ("漢字\rx", "x 字"),
        ("e\u0301a\rb", "ba"),
        ("end\r", "end"),
    ],
)
def test_a_line_is_shown_as_a_terminal_would(raw: str, shown: str) -> None:
    assert to_plain_text(raw) == shown


def test_colours_last_until_they_are_changed_or_the_line_ends() -> None:
    assert list(to_styled_runs("a\x1b[1;31mb\x1b[22;4mc\x1b[md")) == [
        ("a", PLAIN),
        ("b", TextStyle(foreground=1, bold=True)),
        ("c", TextStyle(foreground=1, underline=True)),
        ("d", PLAIN),
    ]
    assert list(to_styled_runs("\x1b[38;5;208;48;2;1;2;3mx")) == [
        ("x", TextStyle(foreground=208, background=(1, 2, 3)))
    ]
    assert list(to_styled_runs("\x1b[91;103mx\x1b[39my")) == [
        ("x", TextStyle(foreground=9, background=11)),
        ("y", TextStyle(background=11)),
    ]
    assert list(to_styled_runs("\x1b[38;2;999;1;1mx")) == [("x", PLAIN)]


def test_a_name_keeps_its_letters_and_shows_its_control_characters() -> None:
    assert escape_controls("a\x1b[31m\n漢\u202e") == "a␛[31m␊漢\ufffd"
