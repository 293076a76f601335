"""Copy mode over both cores: moving, finding, taking."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testbed.terminal_cores import open_core

from flow_tui.terminal.copy_mode import CopyMode, Mark
from flow_tui.terminal.core import TerminalCore
from flow_tui.terminal.text_range import CellPosition, extract_text, find_line, find_word, get_top_line

OpenCore = Callable[[int, int], TerminalCore]


def with_text(new_core: OpenCore, text: str, cols: int = 20, rows: int = 4) -> TerminalCore:
    core = new_core(cols, rows)
    core.feed(text.replace("\n", "\r\n").encode())
    core.take_dirty_rows()
    return core


def pressed(core: TerminalCore, *keys: str) -> CopyMode:
    mode = CopyMode(core)
    for key in keys:
        mode.press(key)
    return mode


def taken(core: TerminalCore, *keys: str) -> str | None:
    return pressed(core, *keys, "y").text


def shown(core: TerminalCore) -> list[str]:
    core.take_dirty_rows()
    return ["".join(run.text for run in core.get_row(y)).rstrip() for y in range(core.rows)]


def test_it_begins_where_the_cursor_of_the_shell_stands(new_core: OpenCore) -> None:
    core = with_text(new_core, "one\ntwo\nthree\nfour\nfive")
    mode = CopyMode(core)
    assert mode.at == CellPosition(4, 4)
    assert mode.cursor == core.cursor


def test_cells_are_taken_from_one_end_to_the_other_both_included(new_core: OpenCore) -> None:
    core = with_text(new_core, "alpha beta gamma")
    assert taken(core, "0", "w", "v", "e") == "beta"
    assert taken(core, "$", "v", "b") == "gamma"
    assert taken(core, "0", "v", "l", "l") == "alp"
    assert taken(core, "0", "l", "l", "v", "h") == "lp"


def test_lines_are_taken_whole_and_without_their_blank_ends(new_core: OpenCore) -> None:
    core = with_text(new_core, "one  \n  two\nthree")
    assert taken(core, "k", "V", "k") == "one\n  two"


def test_a_wrapped_line_is_one_line_again(new_core: OpenCore) -> None:
    core = with_text(new_core, "abcdefghij klmnopqrstuvwxyz 0123456789\nnext", cols=10, rows=3)
    assert taken(core, "g", "V", "G") == "abcdefghij klmnopqrstuvwxyz 0123456789\nnext"


def test_blanks_at_the_place_where_a_line_wraps_are_kept(new_core: OpenCore) -> None:
    core = with_text(new_core, "12345678  abc", cols=10)
    assert taken(core, "k", "V", "j") == "12345678  abc"


def test_a_wide_character_that_did_not_fit_leaves_no_blank(new_core: OpenCore) -> None:
    core = with_text(new_core, "123456789漢字", cols=10)
    assert taken(core, "k", "V", "j") == "123456789漢字"


def test_wide_characters_are_taken_and_marked_whole(new_core: OpenCore) -> None:
    core = with_text(new_core, "漢字 e\u0301x")
    mode = pressed(core, "0", "l", "v", "l")
    assert mode.get_marks() == {0: [Mark(0, 3, True)]}
    mode.press("y")
    assert mode.text == "漢字"
    assert taken(core, "0", "v", "$") == "漢字 e\u0301x"


def test_a_selection_goes_across_the_scrollback(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"line {n}\n" for n in range(60)))
    text = taken(core, "g", "v", *["j"] * 30, "$")
    assert text is not None
    assert text.split("\n") == [f"line {n}" for n in range(31)]


def test_the_view_follows_the_cursor_and_pages_turn(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"{n}\n" for n in range(50)))
    mode = pressed(core, "g")
    assert shown(core) == ["0", "1", "2", "3"]
    mode.press("ctrl+d")
    assert shown(core)[0] == "2"
    mode.press("pagedown")
    assert shown(core)[0] == "5"
    mode.press("pageup")
    mode.press("ctrl+u")
    assert shown(core)[0] == "0"
    mode.press("G")
    assert core.scroll_offset == 0


def test_no_key_leads_out_of_what_is_there(new_core: OpenCore) -> None:
    core = with_text(new_core, "a\n" * 30)
    for key in ("h", "k", "pageup", "b", "g", "l", "j", "pagedown", "w", "e", "G", "$"):
        mode = pressed(core, *[key] * 60)
        assert core.first_line <= mode.at.line < core.first_line + core.scrollback_rows + core.rows
        assert 0 <= mode.at.x < core.cols


def test_a_search_goes_on_in_its_direction_and_round(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"match {n} end\n" for n in range(40)))
    mode = pressed(core, "?", *"match 7", "enter")
    assert mode.at.line == 7
    mode = pressed(core, "g", "/", *"match 1", "enter")
    assert mode.at == CellPosition(1, 0)
    mode.press("n")
    assert mode.at.line == 10
    mode.press("N")
    assert mode.at.line == 1
    mode.press("N")
    assert mode.at.line == 19
    assert mode.notice == "search continued from the end"
    mode.press("n")
    assert (mode.at.line, mode.notice) == (1, "search continued from the start")


def test_a_search_finds_what_a_wrap_cuts_in_two_and_marks_both_halves(new_core: OpenCore) -> None:
    core = with_text(new_core, "0123456needle and\n", cols=10)
    mode = pressed(core, "?", *"needle", "enter")
    assert mode.at == CellPosition(0, 7)
    assert mode.get_marks() == {0: [Mark(7, 9, False)], 1: [Mark(0, 2, False)]}


def test_small_letters_find_capital_ones_and_signs_are_themselves(new_core: OpenCore) -> None:
    core = with_text(new_core, "Error (x) a.b\naxb")
    assert pressed(core, "?", *"error", "enter").at == CellPosition(0, 0)
    assert pressed(core, "?", *"Error", "enter").at == CellPosition(0, 0)
    assert pressed(core, "?", *"a.b", "enter").at == CellPosition(0, 10)
    assert pressed(core, "?", *"ERROR", "enter").notice == "not found"
    assert pressed(core, "n").notice == "no search yet; press / to search"


def test_what_is_typed_into_a_search_can_be_corrected_and_given_up(new_core: OpenCore) -> None:
    core = with_text(new_core, "alpha beta")
    mode = pressed(core, "/", *"bq", "backspace", "e")
    assert mode.prompt == "be"
    mode.press("ctrl+u")
    assert mode.prompt == ""
    mode.press("backspace")
    assert mode.prompt is None
    mode = pressed(core, "/", *"q", "escape")
    assert (mode.prompt, mode.is_over) == (None, False)


def test_rows_keep_their_numbers_while_output_goes_on(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"line {n}\n" for n in range(20)))
    mode = pressed(core, "?", *"line 7", "enter", "v")
    core.feed(b"".join(b"more %d\r\n" % n for n in range(500)))
    core.take_dirty_rows()
    for key in ("$", "y"):
        mode.press(key)
    assert mode.text == "line 7"


def test_rows_keep_their_numbers_while_the_oldest_are_forgotten(
    new_core: OpenCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"flow_tui.terminal.{os.environ['FLOW_TERMINAL_CORE']}_core.SCROLLBACK_BYTES", 2_000_000)
    core = new_core(80, 4)
    flood = b"".join(b"%06d %s\r\n" % (number, b"x" * 60) for number in range(2000))
    core.feed(flood + b"needle\r\n")
    core.take_dirty_rows()
    mode = pressed(core, "?", *"needle", "enter", "v")
    for _ in range(40):
        core.feed(flood)
        assert core.first_line >= 0
        if core.first_line > mode.at.line:
            break
        assert extract_text(core, find_line(core, mode.at)) == "needle"
    assert core.first_line > 0
    mode.press("y")
    assert mode.cursor.visible in (True, False)


def test_a_click_takes_a_path_whole_and_a_wrapped_one_too(new_core: OpenCore) -> None:
    core = with_text(new_core, "see '/usr/lib/x.so', or\n", cols=12)
    assert extract_text(core, find_word(core, CellPosition(0, 8))) == "/usr/lib/x.so"
    assert extract_text(core, find_word(core, CellPosition(1, 0))) == "/usr/lib/x.so"
    assert extract_text(core, find_word(core, CellPosition(0, 3))) == ""
    assert extract_text(core, find_line(core, CellPosition(1, 0))) == "see '/usr/lib/x.so', or"


def test_it_is_of_no_use_once_the_screen_is_another(new_core: OpenCore) -> None:
    core = with_text(new_core, "one")
    mode = CopyMode(core)
    assert mode.is_valid
    core.feed(b"\x1b[?1049h")
    assert not mode.is_valid
    core.feed(b"\x1b[?1049l")
    assert mode.is_valid
    core.resize(30, 4)
    assert not mode.is_valid


@pytest.mark.parametrize("size", [(30, 4), (7, 4), (20, 9), (9, 2), (5, 1)])
def test_a_resize_stays_on_the_same_text_and_keeps_the_selection(new_core: OpenCore, size: tuple[int, int]) -> None:
    text = "".join(f"line {n} with more words than fit\n" for n in range(30))
    core = with_text(new_core, text)
    mode = pressed(core, "?", *"line 7", "enter", "v", *"lllll")
    mode.keep_text_across(partial(core.resize, *size))
    assert mode.is_valid
    assert mode.cursor.visible
    mode.keep_text_across(partial(core.resize, 20, 4))
    mode.press("y")
    assert mode.text == "line 7"


def test_a_resize_stays_on_the_same_text_when_rows_break_elsewhere(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"{n:02} abcdefghijklmnopqrstuvwxyz\n" for n in range(30)), cols=40)
    mode = pressed(core, "?", *"12 a", "enter")
    mode.keep_text_across(partial(core.resize, 15, 4))
    if core.name == "bittty":  # which cuts rows where the other breaks them
        assert "".join(core.get_line(mode.at.line).cells).startswith("12 abc")
    else:
        assert extract_text(core, find_line(core, mode.at)) == "12 abcdefghijklmnopqrstuvwxyz"
    assert mode.at.x == 0


def test_a_resize_below_the_text_and_of_an_empty_screen_is_harmless(new_core: OpenCore) -> None:
    for text, keys in (("one\ntwo", "G"), ("", "G"), ("\n\n\n\n\n\n", "g")):
        core = with_text(new_core, text)
        mode = pressed(core, keys)
        for cols, rows in ((3, 2), (200, 50), (1, 1), (20, 4)):
            mode.keep_text_across(partial(core.resize, cols, rows))
            assert mode.is_valid
            assert mode.cursor.visible


@given(
    lengths=st.lists(st.integers(0, 70), min_size=1, max_size=40),
    sizes=st.lists(st.tuples(st.integers(2, 60), st.integers(1, 12)), min_size=1, max_size=4),
    chosen=st.integers(0, 39),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.needs("pyghostty")
def test_whatever_the_sizes_the_cursor_stays_on_its_line(
    lengths: list[int], sizes: list[tuple[int, int]], chosen: int
) -> None:
    core = open_core(40, 6)
    lines = [f"{n:02}" + "x" * length for n, length in enumerate(lengths)]
    core.feed("\r\n".join(lines).encode())
    core.take_dirty_rows()
    wanted = chosen % len(lines)
    mode = pressed(core, "?", *f"{wanted:02}", "enter")
    for cols, rows in sizes:
        mode.keep_text_across(partial(core.resize, cols, rows))
        assert extract_text(core, find_line(core, mode.at)) == lines[wanted]
        assert mode.cursor.visible
    core.close()


def test_the_alternate_screen_is_copied_from_like_any_other(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"old {n}\n" for n in range(30)))
    core.feed(b"\x1b[?1049h\x1b[2J\x1b[Hmenu here")
    core.take_dirty_rows()
    assert taken(core, "0", "v", "e") == "menu"
    assert pressed(core, "?", *"old", "enter").notice == "not found"


def test_more_than_a_clipboard_takes_is_refused(new_core: OpenCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_tui.terminal.text_range.MAX_TEXT", 1000)
    core = with_text(new_core, "0123456789\n" * 300)
    mode = pressed(core, "g", "V", "G", "y")
    assert (mode.text, mode.is_over, mode.notice) == (
        None,
        False,
        "the selection is too large for the clipboard; select less",
    )


def test_the_place_of_a_row_in_the_view_is_known_while_scrolled(new_core: OpenCore) -> None:
    core = with_text(new_core, "".join(f"{n}\n" for n in range(50)))
    core.scroll_to(10)
    assert shown(core)[0] == "".join(core.get_line(get_top_line(core)).cells).strip()
