"""What a program may put on the clipboard."""

from __future__ import annotations

import base64
from collections.abc import Callable

from flow_tui.terminal.core import TerminalCore
from flow_tui.widgets.terminal.shell_signals import ClipboardConsent

OpenCore = Callable[[int, int], TerminalCore]


def osc52(text: str) -> bytes:
    return b"\x1b]52;c;" + base64.b64encode(text.encode()) + b"\x07"


def test_what_the_far_side_wants_to_copy_is_noted_once(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    assert core.events.take_clipboard() is None
    core.feed(osc52("first") + osc52("zweite Zeile é\n"))
    assert core.events.take_clipboard() == "zweite Zeile é\n"
    assert core.events.take_clipboard() is None
    core.feed(b"\x1b]52;c;?\x07\x1b]52;c;\x07\x1b]52;c;!!!!\x07\x1b]52;;\x1b\\")
    assert core.events.take_clipboard() is None
    assert core.events.take_replies() == b""


def test_a_long_text_arrives_whole_in_many_pieces_or_not_at_all(new_core: OpenCore) -> None:
    core = new_core(20, 4)
    for length, is_persistent in ((50_000, True), (3_000_000, False)):
        data = osc52("x" * length)
        for start in range(0, len(data), 4096):
            core.feed(data[start : start + 4096])
        assert core.events.take_clipboard() == ("x" * length if is_persistent else None)
    core.feed(b"\x1b[2J\x1b[Hstill here")
    core.take_dirty_rows()
    assert "still here" in "".join(run.text for run in core.get_row(0))


def test_nothing_is_copied_before_a_yes_and_everything_after() -> None:
    consent = ClipboardConsent()
    assert consent.allow() is None
    assert consent.request("a") is None
    assert consent.request("b") is None
    assert consent.allow() == "b"
    assert consent.request("c") == "c"


def test_a_no_is_for_good_and_does_not_ask_again() -> None:
    consent = ClipboardConsent()
    consent.refuse()
    consent.request("a")
    consent.refuse()
    assert consent.waiting is None
    assert consent.request("b") is None
    assert consent.waiting is None
    assert consent.allow() is None
