"""Keeps what the terminal really sent with each key, which Textual's parser otherwise forgets.

On terminals without the kitty protocol it reports alt+b as ctrl+left, alt+enter as enter and ctrl+h as
backspace. A shell must get what was typed, so the parser is wrapped at the one place where keys are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import textual
from textual import events
from textual._xterm_parser import XTermParser

_KNOWN_VERSION = "8.2.8"
_WRAPPED = "_sequence_to_key_events"
_RAW = "raw_sequence"


def keep_raw_keys() -> bool:
    """Wraps the parser; call it before the app runs. Twice is safe. False where this Textual isn't the known one."""
    original = getattr(XTermParser, _WRAPPED, None)
    if textual.__version__ != _KNOWN_VERSION or original is None:
        return False
    if hasattr(original, _RAW):
        return True

    def with_raw(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        for event in original(parser, sequence, alt):
            setattr(event, _RAW, ("\x1b" if alt else "") + sequence)
            yield event

    setattr(with_raw, _RAW, True)
    setattr(XTermParser, _WRAPPED, with_raw)
    return True


def raw_sequence(event: events.Key) -> str | None:
    """The characters behind a key, or None where nobody kept them."""
    return cast("str | None", getattr(event, _RAW, None))
