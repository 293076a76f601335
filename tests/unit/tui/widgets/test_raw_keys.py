"""Keys that Textual's parser would change on the way to the shell."""

from __future__ import annotations

from testbed.tables import each
from textual import events
from textual._xterm_parser import XTermParser

from flow_tui.terminal.core import Modes
from flow_tui.terminal.input_encoding import encode_typed
from flow_tui.widgets.raw_keys import get_raw_sequence, keep_raw_keys, parse_modified_f3

FUNCTION_KEYS = [f"\x1b[{n}~" for n in (15, *range(17, 22), 23, 24, 25, 26, 28, 29, *range(31, 35))]
MODIFIED = [f"{sent[:-1]};{number}~" for sent in FUNCTION_KEYS for number in (2, 5, 8)]


def keys_of(sent: str) -> list[events.Key]:
    """What the parser makes of the characters, followed by the silence that ends a lone escape sequence."""
    parser = XTermParser()
    parsed = list(parser.feed(sent))
    if parser._timeout_time is not None:  # it waits for the rest of a sequence, by the clock; 0 is long ago
        parser._timeout_time = 0
        parsed += list(parser.tick())
    return [event for event in parsed if isinstance(event, events.Key)]


@each("sent", ["\x1bb", "\x1bf", "\x1b\x7f", "\x1b\r", "\x1b.", "\x08", "\x7f", "\x1bB", "a", "\x1b[A"])
def test_the_parser_keeps_what_was_sent(sent: str) -> None:
    assert keep_raw_keys()
    assert keep_raw_keys()
    (event,) = keys_of(sent)
    assert get_raw_sequence(event) == sent


def test_a_key_made_by_hand_has_no_raw_sequence() -> None:
    assert get_raw_sequence(events.Key("a", "a")) is None


@each("sent", [*FUNCTION_KEYS, *MODIFIED, "\x1b[39~", "\x1b[E", "\x1b[1;2P", "\x1b[1;5S"])
def test_a_function_key_arrives_as_the_terminal_sends_it(sent: str) -> None:
    keep_raw_keys()
    (event,) = keys_of(sent)
    assert encode_typed(event.key, event.character, get_raw_sequence(event), Modes()) == sent.encode()
    assert not event.is_printable


@each(
    ("sent", "name"),
    [("\x1b[25~", "f13"), ("\x1b[33~", "f19"), ("\x1b[33;5~", "ctrl+f19"), ("\x1b[26;4~", "alt+shift+f14")],
)
def test_a_function_key_has_its_name(sent: str, name: str) -> None:
    keep_raw_keys()
    (event,) = keys_of(sent)
    assert event.key == name


@each(("sent", "name"), [("\x1b[1;2R", "shift+f3"), ("\x1b[1;5R", "ctrl+f3"), ("\x1b[1;4R", "alt+shift+f3")])
def test_f3_with_a_modifier_is_no_position_of_a_cursor(sent: str, name: str) -> None:
    (position,) = [event for event in XTermParser().feed(sent) if isinstance(event, events.CursorPosition)]
    key = parse_modified_f3(position)
    assert key is not None
    assert key.key == name
    assert encode_typed(key.key, None, get_raw_sequence(key), Modes()) == sent.encode()


@each("sent", ["\x1b[5;2R", "\x1b[1;1R", "\x1b[1;80R"])
def test_another_position_of_a_cursor_is_no_key(sent: str) -> None:
    (position,) = [event for event in XTermParser().feed(sent) if isinstance(event, events.CursorPosition)]
    assert parse_modified_f3(position) is None
