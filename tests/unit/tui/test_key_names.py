"""Names of keys: every spelling that people use, and only keys."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.key_names import format_short_key, parse_key, parse_keys, spell_key


@each(
    ("text", "key"),
    [
        ("x", "x"),
        ("G", "G"),
        ("shift+g", "G"),
        ("?", "question_mark"),
        ("question_mark", "question_mark"),
        ("+", "plus"),
        ("ctrl++", "ctrl+plus"),
        ("ctrl+x", "ctrl+x"),
        ("Ctrl+X", "ctrl+x"),
        ("^x", "ctrl+x"),
        ("^", "circumflex_accent"),
        ("shift+ctrl+a", "ctrl+shift+a"),
        ("ctrl+]", "ctrl+right_square_bracket"),
        ("F9", "f9"),
        ("Esc", "escape"),
        ("pgdn", "pagedown"),
        ("shift+tab", "shift+tab"),
        (" é ", "é"),
    ],
)
def test_a_key_is_read_as_textual_calls_it(text: str, key: str) -> None:
    assert parse_key(text) == key


@each("text", ["", " ", "foo", "ctrl+foo", "control+x", "ctrl+", "ctrl+ctrl+x", "a b", "f25", "\x07"])
def test_what_is_no_key_is_refused(text: str) -> None:
    assert parse_key(text) is None


def test_several_keys_are_separated_by_commas() -> None:
    assert parse_keys("f, end,comma") == ("f", "end", "comma")
    assert parse_keys("f,") is None


def test_keys_are_shown_as_people_write_them() -> None:
    keys = ("ctrl+d", "question_mark", "j", "escape", "ctrl+right_square_bracket", "shift+tab")
    assert [format_short_key(key) for key in keys] == ["^d", "?", "j", "esc", "^]", "shift+tab"]
    assert [spell_key(key) for key in keys] == ["ctrl+d", "?", "j", "esc", "ctrl+]", "shift+tab"]
