"""Both terminal cores, held to the same behaviour."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from testbed.terminal_cores import open_core

from flow_core.logs.text_style import PLAIN, TextStyle
from flow_tui.terminal.core import Cursor, MouseTracking, Run, TerminalCore

OpenCore = Callable[[int, int], TerminalCore]


def shown(core: TerminalCore) -> list[str]:
    core.take_dirty_rows()
    return ["".join(run.text for run in core.get_row(y)).rstrip() for y in range(core.rows)]


def runs(core: TerminalCore, y: int = 0) -> list[Run]:
    """The row's runs, those alike joined again, without the plain blanks at the end."""
    core.take_dirty_rows()
    found: list[Run] = []
    for run in core.get_row(y):
        if found and found[-1].style == run.style:
            found[-1] = Run(found[-1].text + run.text, run.style, found[-1].width + run.width)
        else:
            found.append(run)
    if found and found[-1].style == PLAIN and not found[-1].text.strip():
        found.pop()
    return found


def check_harmless(core: TerminalCore) -> None:
    """Every row is as wide as the terminal, by our count and by Rich's, and holds nothing but text."""
    core.take_dirty_rows()
    for y in range(core.rows):
        row = core.get_row(y)
        assert sum(run.width for run in row) == core.cols
        assert [cell_len(run.text) for run in row] == [run.width for run in row]
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for run in row for c in run.text)
    assert 0 <= core.cursor.x < core.cols
    assert 0 <= core.cursor.y < core.rows


def test_text_stands_where_it_was_written(new_core: OpenCore) -> None:
    core = new_core(20, 3)
    core.feed(b"one\r\ntwo\x1b[1;10Hten\x1b[3;1Hlast")
    assert shown(core) == ["one      ten", "two", "last"]
    assert core.cursor == Cursor(4, 2, True)


@pytest.mark.parametrize("cut", range(5))
def test_a_soft_reset_undoes_what_a_program_left_on_and_touches_no_text(new_core: OpenCore, cut: int) -> None:
    core, reset = new_core(20, 5), b"\x1b[!p"
    core.feed(b"kept\x1b[2;4r\x1b[?6h\x1b[4h\x1b[?25l\x1b[?1h\x1b[1;31m\x1b(0\x1b[2;3H")
    core.feed(reset[:cut])
    core.feed(reset[cut:] + b"q")
    core.take_dirty_rows()
    assert core.cursor == Cursor(3, 2, True)
    assert not core.modes.application_cursor or core.name == "bittty"  # which leaves the keys as they are
    assert shown(core)[2] == "  q"
    assert {run.style for run in runs(core, 2)} == {PLAIN}
    core.feed(b"\x1b[1;1Hno\x1b[5;1H\nlow")
    assert shown(core) == ["", "  q", "", "", "low"]
    assert core.get_texts(core.first_line, core.first_line)[0][0] == "nopt"


def test_only_rows_that_changed_are_dirty(new_core: OpenCore) -> None:
    core = new_core(20, 6)
    assert core.take_dirty_rows() == [0, 1, 2, 3, 4, 5]
    assert core.take_dirty_rows() == []
    core.feed(b"\x1b[5;1Hx")
    core.take_dirty_rows()
    core.feed(b"y")
    assert core.take_dirty_rows() == [4]
    assert core.take_dirty_rows() == []


def test_a_sequence_and_a_character_may_be_cut_anywhere(new_core: OpenCore) -> None:
    whole = "\x1b[38;2;1;22;233mé漢\x1b[0m.\x1b]2;title\x07!".encode()
    core = new_core(20, 2)
    for byte in whole:
        core.feed(bytes([byte]))
    assert shown(core)[0] == "é漢.!"
    assert runs(core)[0].style == TextStyle(foreground=(1, 22, 233))
    assert core.events.title == "title"


@pytest.mark.parametrize(
    ("sgr", "style"),
    [
        ("31", TextStyle(foreground=1)),
        ("42", TextStyle(background=2)),
        ("93;104", TextStyle(foreground=11, background=12)),
        ("38;5;200", TextStyle(foreground=200)),
        ("48;5;17", TextStyle(background=17)),
        ("38;2;1;2;3;48;2;4;5;6", TextStyle(foreground=(1, 2, 3), background=(4, 5, 6))),
        ("1", TextStyle(bold=True)),
        ("2", TextStyle(dim=True)),
        ("3", TextStyle(italic=True)),
        ("4", TextStyle(underline=True)),
        ("5", TextStyle(blink=True)),
        ("7", TextStyle(reverse=True)),
        ("9", TextStyle(strike=True)),
        ("1;3;4;31", TextStyle(foreground=1, bold=True, italic=True, underline=True)),
        ("1;22", PLAIN),
    ],
)
def test_colours_and_attributes_are_kept(new_core: OpenCore, sgr: str, style: TextStyle) -> None:
    core = new_core(20, 2)
    core.feed(f"\x1b[{sgr}mword\x1b[0m".encode())
    assert runs(core) == [Run("word", style, 4)] if style != PLAIN else runs(core)[0].text.startswith("word")


def test_hidden_text_is_not_shown(new_core: OpenCore) -> None:
    core = new_core(20, 2)
    core.feed(b"\x1b[8msecret\x1b[0m.")
    assert shown(core)[0] == "      ."


def test_erasing_paints_the_background_that_is_set(new_core: OpenCore) -> None:
    core = new_core(12, 2)
    core.feed(b"\x1b[44m\x1b[K\x1b[0m\x1b[2;1H\x1b[48;2;9;8;7m\x1b[K")
    assert runs(core, 0) == [Run(" " * 12, TextStyle(background=4), 12)]
    assert runs(core, 1) == [Run(" " * 12, TextStyle(background=(9, 8, 7)), 12)]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("漢字", 4), ("e\u0301x", 2), ("\U0001f600", 2), ("\U0001f468\u200d\U0001f469\u200d\U0001f467", 2), ("\ue0b0", 1)],
    ids=["cjk", "combining", "emoji", "joined family", "powerline"],
)
def test_wide_and_combined_characters_take_the_columns_that_rich_measures(
    new_core: OpenCore, text: str, columns: int
) -> None:
    core = new_core(12, 2)
    core.feed(text.encode() + b"|")
    check_harmless(core)
    assert core.cursor.x == columns + 1
    before = "".join(run.text for run in core.get_row(0)).partition("|")[0]
    assert cell_len(before) == columns
    assert before[0] == text[0]


def test_a_combining_mark_stays_on_its_letter(new_core: OpenCore) -> None:
    core = new_core(12, 2)
    core.feed("cafe\u0301.".encode())
    assert shown(core)[0] == "cafe\u0301."


def test_controls_that_reorder_or_hide_text_are_dropped(new_core: OpenCore) -> None:
    core = new_core(20, 2)
    core.feed("a\u202eb\u2066c\u200bd".encode())
    check_harmless(core)
    assert "\u202e" not in shown(core)[0]
    assert shown(core)[0].replace(" ", "") == "abcd"


def test_the_alternate_screen_comes_and_goes(new_core: OpenCore) -> None:
    core = new_core(20, 3)
    core.feed(b"shell$ \x1b[?1049h\x1b[2J\x1b[Heditor")
    assert shown(core)[0] == "editor"
    assert core.modes.alternate_screen
    assert core.scrollback_rows == 0
    core.feed(b"\x1b[?1049l")
    assert shown(core)[0] == "shell$"
    assert not core.modes.alternate_screen
    assert core.cursor == Cursor(7, 0, True)


def test_modes_are_known(new_core: OpenCore) -> None:
    core = new_core(20, 3)
    assert core.modes.mouse is MouseTracking.OFF
    core.feed(b"\x1b[?1h\x1b[?2004h\x1b[?1004h\x1b[?2026h\x1b[?1000h\x1b[?1006h\x1b[?25l")
    modes = core.modes
    assert modes.application_cursor
    assert modes.bracketed_paste
    assert modes.focus_reports
    assert modes.synchronized
    assert (modes.mouse, modes.mouse_sgr) == (MouseTracking.CLICK, True)
    core.take_dirty_rows()
    assert not core.cursor.visible
    for mode, tracking in (("9", 1), ("1002", 3), ("1003", 4)):
        core.feed(f"\x1b[?1000l\x1b[?{mode}h".encode())
        assert core.modes.mouse == tracking
    core.feed(b"\x1bc")
    assert core.modes == type(modes)()


def test_resizing_keeps_the_text_and_the_new_size(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"first\r\nsecond")
    core.resize(30, 6)
    assert core.take_dirty_rows() == list(range(6))
    assert shown(core)[:2] == ["first", "second"]
    core.resize(8, 2)
    check_harmless(core)
    core.resize(1, 1)
    core.feed("漢".encode())
    check_harmless(core)


def test_the_far_side_cannot_change_the_size(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"\x1b[?40h\x1b[?3h\x1b[8;50;120t\x1b[44t\x1b[132$|wide")
    check_harmless(core)
    assert (core.cols, core.rows) == (20, 4)


def test_scrollback_is_kept_and_can_be_looked_at(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    for number in range(50):
        core.feed(f"line {number}\r\n".encode())
    assert core.scrollback_rows == 47
    core.scroll_to(10)
    assert core.scroll_offset == 10
    assert shown(core) == ["line 37", "line 38", "line 39", "line 40"]
    assert not core.cursor.visible
    core.scroll_to(10_000)
    assert core.scroll_offset == 47
    assert shown(core)[0] == "line 0"
    core.scroll_to(0)
    assert shown(core) == ["line 47", "line 48", "line 49", ""]


def test_a_scrolled_view_stays_on_its_text_while_output_comes(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"".join(b"line %d\r\n" % number for number in range(50)))
    core.scroll_to(10)
    before = shown(core)
    core.feed(b"more\r\n" * 7)
    assert shown(core) == before
    assert core.scroll_offset == 17


def test_scrollback_keeps_its_colours_and_fits_a_new_width(new_core: OpenCore) -> None:
    core = new_core(20, 2)
    core.feed("\x1b[31mred\x1b[0m 漢漢漢漢\r\n\r\n\r\n".encode())
    core.scroll_to(core.scrollback_rows)
    assert runs(core)[0] == Run("red", TextStyle(foreground=1), 3)
    core.resize(9, 2)
    core.scroll_to(core.scrollback_rows)
    check_harmless(core)


def test_scrollback_holds_many_rows_but_not_all_of_a_flood(new_core: OpenCore, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"flow_tui.terminal.{os.environ['FLOW_TERMINAL_CORE']}_core"
    monkeypatch.setattr(f"{module}.SCROLLBACK_BYTES", 2_000_000)
    core = new_core(80, 4)
    flood = b"".join(b"%06d %s\r\n" % (number, b"x" * 60) for number in range(2000))
    for _ in range(4):
        core.feed(flood)
    assert 500 < core.scrollback_rows <= 8_000
    for _ in range(2):
        core.feed(flood)
    assert core.scrollback_rows < 11_000
    core.scroll_to(core.scrollback_rows)
    check_harmless(core)


def test_clearing_the_scrollback_forgets_it(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"line\r\n" * 50 + b"\x1b[3J")
    assert core.scrollback_rows == 0


def test_questions_are_answered_once(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"ab\x1b[6n\x1b[5n")
    assert core.events.take_replies() == b"\x1b[1;3R\x1b[0n"
    assert core.events.take_replies() == b""
    core.feed(b"\x1b[c")
    assert core.events.take_replies().startswith(b"\x1b[?62;")


def test_nothing_the_far_side_chose_is_typed_back(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    core.feed(b"\x1b]2;rm -rf\x07\x1b]1;icon\x07\x1b[20t\x1b[21t\x1b]52;c;cm0gLXJm\x07\x1b]52;c;?\x07\x05")
    replies = core.events.take_replies()
    assert b"rm" not in replies
    assert b"cm0" not in replies
    assert b"icon" not in replies


def test_titles_are_one_printable_line(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    assert core.events.title == ""
    core.feed("\x1b]2;a \u202e[b]bold[/b]\u200b\x07".encode())
    assert core.events.title == "a [b]bold[/b]"
    core.feed(b"\x1b]0;" + b"t" * 500 + b"\x1b\\")
    assert core.events.title == "t" * 80


def test_the_bell_is_heard_once(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    assert not core.events.take_bell()
    core.feed(b"\x07\x07")
    assert core.events.take_bell()
    assert not core.events.take_bell()


_PIECES = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.builds(
        lambda prefix, numbers, final: f"\x1b[{prefix}{';'.join(map(str, numbers))}{final}".encode(),
        st.sampled_from(["", "?", ">", "=", "<", "!"]),
        st.lists(st.integers(0, 70_000), max_size=5),
        st.characters(min_codepoint=0x40, max_codepoint=0x7E),
    ),
    st.builds(lambda kind, text: b"\x1b" + kind + text, st.sampled_from([b"]", b"P", b"_", b"^", b"X"]), st.binary()),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=12), st.integers(1, 40), st.integers(1, 8))
def test_hostile_sequences_never_raise(new_core: OpenCore, pieces: list[bytes], cols: int, rows: int) -> None:
    core = new_core(20, 4)
    for number, piece in enumerate(pieces):
        core.feed(piece)
        if number == 3:
            core.resize(cols, rows)
        if number == 5:
            core.scroll_to(core.scrollback_rows // 2)
        check_harmless(core)
    core.events.take_replies()
    core.close()


def test_noise_is_harmless(new_core: OpenCore) -> None:
    core, noise = new_core(80, 24), random.Random(20)
    for number in range(32):
        core.feed(noise.randbytes(4096))
        core.events.take_replies()
        if number % 8 == 0:
            check_harmless(core)
    core.feed(b"\x18\x1b\\\x1bc\x1b[1;1Hstill here")
    assert shown(core)[0] == "still here"


def test_a_string_that_never_ends_costs_bounded_time_and_memory(new_core: OpenCore) -> None:
    core = new_core(80, 24)
    started = time.process_time()
    core.feed(b"\x1b]2;")
    for _ in range(500):
        core.feed(b"a" * 4096)
    assert time.process_time() - started < 3
    core.feed(b"\x07ok")
    assert shown(core)[0].endswith("ok")
    assert len(core.events.title) <= 80


@pytest.mark.needs("pyghostty")
def test_the_native_core_is_taken_unless_the_other_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOW_TERMINAL_CORE", raising=False)
    assert open_core(10, 2).name == "ghostty"
    monkeypatch.setenv("FLOW_TERMINAL_CORE", "bittty")
    assert open_core(10, 2).name == "bittty"


def test_a_native_core_that_does_not_load_leaves_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOW_TERMINAL_CORE", raising=False)
    monkeypatch.setitem(sys.modules, "flow_tui.terminal.ghostty_core", None)
    assert open_core(10, 2).name == "bittty"
