"""Keys that Textual's parser would change on the way to the shell."""

from __future__ import annotations

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from flow_tui.widgets.raw_keys import keep_raw_keys, raw_sequence


def keys_of(sent: str) -> list[events.Key]:
    """What the parser makes of the characters, followed by the silence that ends a lone escape sequence."""
    parser = XTermParser()
    parsed = list(parser.feed(sent))
    if parser._timeout_time is not None:  # it waits for the rest of a sequence, by the clock; 0 is long ago
        parser._timeout_time = 0
        parsed += list(parser.tick())
    return [event for event in parsed if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    "sent", ["\x1bb", "\x1bf", "\x1b\x7f", "\x1b\r", "\x1b.", "\x08", "\x7f", "\x1bB", "a", "\x1b[A"]
)
def test_the_parser_keeps_what_was_sent(sent: str) -> None:
    assert keep_raw_keys()
    assert keep_raw_keys()
    (event,) = keys_of(sent)
    assert raw_sequence(event) == sent


def test_a_key_made_by_hand_has_no_raw_sequence() -> None:
    assert raw_sequence(events.Key("a", "a")) is None
