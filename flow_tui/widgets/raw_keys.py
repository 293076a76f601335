"""Adds to each key event the sequence that the terminal sent, which Textual's parser discards.

On terminals without the kitty protocol, the parser reports alt+b as ctrl+left, alt+enter as enter and ctrl+h as
backspace. A shell must get what was typed. Therefore the parser's method that creates keys is wrapped.

The parser also takes the number of an unknown key for a character (F13 for ctrl+y, F19 for "!"), and F3 with a modifier
for a reported cursor position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import textual
from textual import events
from textual._xterm_parser import XTermParser

_KNOWN_VERSION = "8.2.8"
_WRAPPED = "_sequence_to_key_events"
_RAW = "raw_sequence"
_NUMBERED = re.compile(r"\x1b\[(\d+)(?:;(\d+))?~")
_BEYOND_F12 = {25: "f13", 26: "f14", 28: "f15", 29: "f16", 31: "f17", 32: "f18", 33: "f19", 34: "f20"}
_UNKNOWN = frozenset({9, 10, 16, 22, 27, 30, *range(35, 200)})
_MODIFIERS = ("shift", "alt", "ctrl", "super")


def keep_raw_keys() -> bool:
    """Wraps the parser. Call it before the app runs. Calling it again is safe.

    Returns False and does nothing if the version of Textual is another one.
    """
    original = getattr(XTermParser, _WRAPPED, None)
    if original is None or not _is_known_version():
        return False
    if hasattr(original, _RAW):
        return True

    def with_raw(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        numbered = _parse_numbered_key(sequence)
        for event in original(parser, sequence, alt) if numbered is None else (numbered,):
            setattr(event, _RAW, ("\x1b" if alt else "") + sequence)
            yield event

    setattr(with_raw, _RAW, True)
    setattr(XTermParser, _WRAPPED, with_raw)
    return True


def _is_known_version() -> bool:
    """Returns whether Textual is the known version. Its folder of metadata usually says so.

    `textual.__version__` loads `importlib.metadata`, which takes 15 ms of every start.
    """
    metadata = Path(textual.__file__).parent.with_name(f"textual-{_KNOWN_VERSION}.dist-info")
    return metadata.is_dir() or textual.__version__ == _KNOWN_VERSION


def parse_modified_f3(position: events.CursorPosition) -> events.Key | None:
    """Returns F3 with its modifiers if Textual parsed that key as this cursor position; otherwise None."""
    if position.y != 0 or not 1 <= position.x <= 15:
        return None
    event = events.Key(_add_modifiers("f3", position.x + 1), None)
    setattr(event, _RAW, f"\x1b[1;{position.x + 1}R")
    return event


def _parse_numbered_key(sequence: str) -> events.Key | None:
    found = _NUMBERED.fullmatch(sequence)
    if found is None:
        return None
    number, modifiers = int(found[1]), int(found[2] or 1)
    if number in _UNKNOWN:
        return events.Key("<unknown>", None)
    name = _BEYOND_F12.get(number)
    return events.Key(_add_modifiers(name, modifiers), None) if name is not None else None


def _add_modifiers(name: str, number: int) -> str:
    """Returns the name of a key with modifiers. `number` is xterm's: 1 plus the sum of the bits of the modifiers."""
    modifiers = [modifier for bit, modifier in enumerate(_MODIFIERS) if (number - 1) >> bit & 1]
    return "+".join([*sorted(modifiers), name])


def get_raw_sequence(event: events.Key) -> str | None:
    """Returns the sequence that the terminal sent for a key; None if unknown."""
    return cast("str | None", getattr(event, _RAW, None))
