"""Keys, mouse and pastes as the bytes that xterm would send."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.terminal.core import Modes, MouseTracking
from flow_tui.terminal.input_encoding import (
    NO_BUTTON,
    WHEEL_UP,
    MouseAction,
    encode_key,
    encode_mouse,
    encode_paste,
    runs_as_commands,
)

PLAIN = Modes()


@each(
    ("key", "character", "sent"),
    [
        ("a", "a", b"a"),
        ("A", "A", b"A"),
        ("upper_a", "A", b"A"),
        ("é", "é", "é".encode()),
        ("space", " ", b" "),
        ("full_stop", ".", b"."),
        ("plus", "+", b"+"),
        ("left_square_bracket", "[", b"["),
        ("enter", "\r", b"\r"),
        ("tab", "\t", b"\t"),
        ("shift+tab", None, b"\x1b[Z"),
        ("escape", "\x1b", b"\x1b"),
        ("backspace", "\x7f", b"\x7f"),
        ("ctrl+backspace", None, b"\x08"),
        ("ctrl+a", "\x01", b"\x01"),
        ("ctrl+c", "\x03", b"\x03"),
        ("ctrl+z", "\x1a", b"\x1a"),
        ("ctrl+j", "\n", b"\n"),
        ("ctrl+@", "\x00", b"\x00"),
        ("ctrl+space", None, b"\x00"),
        ("ctrl+backslash", "\x1c", b"\x1c"),
        ("ctrl+right_square_bracket", "\x1d", b"\x1d"),
        ("ctrl+circumflex_accent", "\x1e", b"\x1e"),
        ("ctrl+shift+6", None, b"\x1e"),
        ("ctrl+underscore", "\x1f", b"\x1f"),
        ("ctrl+slash", None, b"\x1f"),
        ("ctrl+1", None, b"1"),
        ("ctrl+é", None, b""),
        ("divide", None, b"/"),
        ("alt+b", None, b"\x1bb"),
        ("alt+B", "B", b"\x1bB"),
        ("alt+shift+b", None, b"\x1bB"),
        ("alt+full_stop", None, b"\x1b."),
        ("alt+enter", None, b"\x1b\r"),
        ("alt+backspace", None, b"\x1b\x7f"),
        ("alt+ctrl+a", None, b"\x1b\x01"),
        ("up", None, b"\x1b[A"),
        ("left", None, b"\x1b[D"),
        ("ctrl+right", None, b"\x1b[1;5C"),
        ("shift+up", None, b"\x1b[1;2A"),
        ("alt+shift+down", None, b"\x1b[1;4B"),
        ("home", None, b"\x1b[H"),
        ("ctrl+end", None, b"\x1b[1;5F"),
        ("insert", None, b"\x1b[2~"),
        ("delete", None, b"\x1b[3~"),
        ("pageup", None, b"\x1b[5~"),
        ("ctrl+pagedown", None, b"\x1b[6;5~"),
        ("f1", None, b"\x1bOP"),
        ("shift+f1", None, b"\x1b[1;2P"),
        ("f5", None, b"\x1b[15~"),
        ("shift+f5", None, b"\x1b[15;2~"),
        ("f12", None, b"\x1b[24~"),
        ("f13", None, b"\x1b[25~"),
        ("ctrl+f20", None, b"\x1b[34;5~"),
        ("f24", None, b"\x1b[24;2~"),
        ("f99", None, b""),
        ("<unknown>", None, b""),
        ("caps_lock", None, b""),
    ],
)
def test_a_key_sends_what_xterm_sends(key: str, character: str | None, sent: bytes) -> None:
    assert encode_key(key, character, PLAIN) == sent


@each(("key", "sent"), [("up", b"\x1bOA"), ("home", b"\x1bOH"), ("ctrl+up", b"\x1b[1;5A")])
def test_application_mode_changes_plain_cursor_keys_only(key: str, sent: bytes) -> None:
    assert encode_key(key, None, Modes(application_cursor=True)) == sent


@each(
    ("action", "button", "tracking", "sent"),
    [
        ("press", 0, MouseTracking.CLICK, b"\x1b[<0;5;3M"),
        ("release", 2, MouseTracking.CLICK, b"\x1b[<2;5;3m"),
        ("press", WHEEL_UP, MouseTracking.CLICK, b"\x1b[<64;5;3M"),
        ("move", 0, MouseTracking.CLICK, b""),
        ("move", 0, MouseTracking.DRAG, b"\x1b[<32;5;3M"),
        ("move", NO_BUTTON, MouseTracking.DRAG, b""),
        ("move", NO_BUTTON, MouseTracking.MOVE, b"\x1b[<35;5;3M"),
        ("press", 0, MouseTracking.OFF, b""),
        ("release", 0, MouseTracking.PRESS, b""),
    ],
)
def test_the_mouse_is_reported_as_far_as_it_was_asked_for(
    action: MouseAction, button: int, tracking: MouseTracking, sent: bytes
) -> None:
    assert encode_mouse(action, button, 4, 2, 0, Modes(mouse=tracking, mouse_sgr=True)) == sent


def test_mouse_modifiers_and_the_old_encoding_are_sent() -> None:
    clicks = Modes(mouse=MouseTracking.CLICK)
    assert encode_mouse("press", 0, 4, 2, 16, clicks) == b"\x1b[M" + bytes([48, 37, 35])
    assert encode_mouse("release", 0, 4, 2, 0, clicks) == b"\x1b[M" + bytes([35, 37, 35])
    assert encode_mouse("press", 0, 300, 2, 0, clicks) == b""


def test_a_paste_cannot_end_its_own_brackets_or_send_controls() -> None:
    hostile = "ls\x1b[201~\nrm -rf\x03\x9b1~\n"
    assert encode_paste(hostile, is_bracketed=True) == b"\x1b[200~ls[201~\rrm -rf1~\r\x1b[201~"


def test_a_paste_without_brackets_sends_enter_for_a_line_break() -> None:
    assert encode_paste("a\tb\r\nc\n", is_bracketed=False) == b"a\tb\rc\r"
    assert runs_as_commands("a\nb")
    assert runs_as_commands("a\n")
    assert not runs_as_commands("one line")
