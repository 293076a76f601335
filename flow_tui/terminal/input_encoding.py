"""Encodes keys, pasted text and mouse events as the bytes that xterm sends for them."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from flow_tui.terminal.core import Modes, MouseTracking

MouseAction = Literal["press", "release", "move"]

WHEEL_UP, WHEEL_DOWN = 64, 65
NO_BUTTON = 3

_MOUSE_MOTION = 32
_LEGACY_MOUSE_MAX = 223
_ESCAPE = b"\x1b"
_MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4, "super": 8, "hyper": 8, "meta": 8}
_SHIFT, _ALT, _CTRL = 1, 2, 4
_LETTERED = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_NUMBERED = {"insert": 2, "delete": 3, "pageup": 5, "pagedown": 6}
_F_NUMBERED = {5: 15, 6: 17, 7: 18, 8: 19, 9: 20, 10: 21, 11: 23, 12: 24}
_F_BEYOND = {13: 25, 14: 26, 15: 28, 16: 29, 17: 31, 18: 32, 19: 33, 20: 34}
_SINGLE = {"enter": "\r", "return": "\r", "tab": "\t", "escape": "\x1b", "space": " ", "backspace": "\x7f"}
_NAMED = {
    "at": "@",
    "slash": "/",
    "backslash": "\\",
    "minus": "-",
    "plus": "+",
    "underscore": "_",
    "full_stop": ".",
    "circumflex_accent": "^",
    "vertical_line": "|",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "equals_sign": "=",
    **{"decimal": ".", "divide": "/", "multiply": "*", "subtract": "-", "add": "+", "equal": "=", "separator": ","},
}
# The control codes of characters that aren't letters, as on a VT220 keyboard.
_CONTROLS = {
    **{"@": 0x00, " ": 0x00, "2": 0x00, "`": 0x00, "[": 0x1B, "3": 0x1B, "{": 0x1B, "\\": 0x1C, "4": 0x1C, "|": 0x1C},
    **{"]": 0x1D, "5": 0x1D, "}": 0x1D, "^": 0x1E, "6": 0x1E, "~": 0x1E, "_": 0x1F, "7": 0x1F, "/": 0x1F, "-": 0x1F},
    **{"?": 0x7F, "8": 0x7F},
}


# Sent as received: F13 to F20 in the numbering of a VT220, which differs between terminals; escape with one character;
# backspace.
_SENT_AS_IS = re.compile(r"\x1b\[(2[5-9]|3[0-9])(;\d+)?~|\x1b.|[\x08\x7f]", re.DOTALL)
_KITTY_ENDS = ("u", "\x1b")
_KEPT_CONTROLS = frozenset("\t\r")


def encode_typed(key: str, character: str | None, raw: str | None, modes: Modes) -> bytes:
    """Encodes a key for which the user's terminal sent `raw`. Returns `raw` itself if it needs no translation or if the
    key is unknown."""
    if raw is not None and _SENT_AS_IS.fullmatch(raw):
        return raw.encode("utf-8", "ignore")
    encoded = encode_key(key, character, modes)
    if not encoded and raw is not None and raw.startswith("\x1b") and not raw.endswith(_KITTY_ENDS):
        return raw.encode("utf-8", "ignore")
    return encoded


def encode_key(key: str, character: str | None, modes: Modes) -> bytes:
    """Encodes a key such as "ctrl+c", "alt+shift+b", "shift+f5" or "é". Returns b"" if it has no encoding.

    `character` is the character that the key types, if known.
    """
    names, base = _split_key(key)
    modifiers = sum({_MODIFIERS[name] for name in names})
    if base in _LETTERED:
        return _encode_letter_key(_LETTERED[base], modifiers, modes.application_cursor)
    if base in _NUMBERED:
        return _encode_numbered_key(_NUMBERED[base], modifiers)
    if base[0] == "f" and base[1:].isdecimal():
        return _encode_function_key(int(base[1:]), modifiers)
    if base in _SINGLE:
        return _encode_single_key(base, modifiers)
    return _encode_character_key(base, character, modifiers)


def encode_paste(text: str, *, is_bracketed: bool) -> bytes:
    """Encodes pasted text: line breaks as Enter sends them, without ESC and other control characters."""
    lines = text.replace("\r\n", "\r").replace("\n", "\r")
    safe = "".join(c for c in lines if c in _KEPT_CONTROLS or unicodedata.category(c) not in ("Cc", "Cs"))
    pasted = safe.encode()
    return b"\x1b[200~" + pasted + b"\x1b[201~" if is_bracketed else pasted


def runs_as_commands(text: str) -> bool:
    """Returns whether the shell would run an unbracketed paste as commands, because it contains a line break."""
    return "\n" in text or "\r" in text


def encode_mouse(action: MouseAction, button: int, x: int, y: int, modifiers: int, modes: Modes) -> bytes:
    """Encodes an event at a cell counted from 0. Returns b"" if the program did not request the event.

    `button` is 0 (left), 1 (middle), 2 (right), NO_BUTTON or a wheel. `modifiers` is the sum of 4 (shift), 8 (alt) and
    16 (ctrl).
    """
    if not _is_reported(action, button, modes.mouse):
        return b""
    if modes.mouse is MouseTracking.PRESS:
        modifiers = 0
    code = button + modifiers + (_MOUSE_MOTION if action == "move" else 0)
    if modes.mouse_sgr:
        return f"\x1b[<{code};{x + 1};{y + 1}{'m' if action == 'release' else 'M'}".encode()
    if action == "release":
        code = NO_BUTTON + modifiers
    if max(x, y) >= _LEGACY_MOUSE_MAX:
        return b""
    return b"\x1b[M" + bytes([32 + code, 33 + x, 33 + y])


def _split_key(key: str) -> tuple[list[str], str]:
    *names, base = key.split("+") if key != "+" else ["plus"]
    known = [name for name in names if name in _MODIFIERS]
    if base.startswith("upper_") and len(base) == 7:
        return [*known, "shift"], base[-1]
    return known, base or "plus"


def _encode_letter_key(letter: str, modifiers: int, is_application: bool) -> bytes:
    if modifiers:
        return f"\x1b[1;{modifiers + 1}{letter}".encode()
    return f"\x1b{'O' if is_application else '['}{letter}".encode()


def _encode_numbered_key(number: int, modifiers: int) -> bytes:
    return f"\x1b[{number};{modifiers + 1}~".encode() if modifiers else f"\x1b[{number}~".encode()


def _encode_function_key(number: int, modifiers: int) -> bytes:
    if number in _F_BEYOND:
        return _encode_numbered_key(_F_BEYOND[number], modifiers)
    if 21 <= number <= 24:  # terminals without these keys report shift+F9 and so on as these
        number, modifiers = number - 12, modifiers | _SHIFT
    if number in _F_NUMBERED:
        return _encode_numbered_key(_F_NUMBERED[number], modifiers)
    if not 1 <= number <= 4:
        return b""
    letter = "PQRS"[number - 1]
    return f"\x1b[1;{modifiers + 1}{letter}".encode() if modifiers else f"\x1bO{letter}".encode()


def _encode_single_key(base: str, modifiers: int) -> bytes:
    sent = _SINGLE[base].encode()
    if base == "tab" and modifiers & _SHIFT:
        sent = b"\x1b[Z"
    elif base == "backspace" and modifiers & _CTRL:
        sent = b"\x08"
    elif base == "space" and modifiers & _CTRL:
        sent = b"\x00"
    return _ESCAPE + sent if modifiers & _ALT else sent


def _encode_character_key(base: str, character: str | None, modifiers: int) -> bytes:
    typed = _typed_character(base, character, modifiers)
    if typed is None:
        return b""
    sent = typed.encode("utf-8", "ignore")
    if modifiers & _CTRL:
        sent = _encode_control(typed)
    return _ESCAPE + sent if sent and modifiers & _ALT else sent


def _typed_character(base: str, character: str | None, modifiers: int) -> str | None:
    if character and character.isprintable() and not modifiers & _CTRL:
        return character.upper() if modifiers & _SHIFT and len(character) == 1 else character
    if len(base) != 1:
        return _NAMED.get(base) or _find_by_unicode_name(base)
    return base.upper() if modifiers & _SHIFT and not modifiers & _CTRL else base


def _find_by_unicode_name(name: str) -> str | None:
    try:
        return unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return None


def _encode_control(typed: str) -> bytes:
    if typed.isascii() and typed.isalpha():
        return bytes([ord(typed.upper()) & 0x1F])
    if typed in ("0", "1", "9"):  # digits without a control code are sent as they are
        return typed.encode()
    code = _CONTROLS.get(typed)
    return b"" if code is None else bytes([code])


def _is_reported(action: MouseAction, button: int, tracking: MouseTracking) -> bool:
    if action == "press":
        return tracking >= MouseTracking.PRESS
    if action == "release":
        return tracking >= MouseTracking.CLICK
    return tracking >= (MouseTracking.MOVE if button == NO_BUTTON else MouseTracking.DRAG)
