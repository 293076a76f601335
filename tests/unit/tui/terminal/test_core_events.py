"""The bytes that a core owes to the program in the terminal, and those that it keeps back."""

from __future__ import annotations

from testbed.tables import each

from flow_tui.terminal.core_events import ReplyFilter


@each(
    "reply",
    [b"\x1b[1;3R", b"\x1b[?62;22c", b"\x1b[?2004;1$y", b"\x1b]11;rgb:1e/1e/2e\x1b\\", b"\x1b]4;3;rgb:ff/00/00\x07"],
)
def test_what_the_terminal_knows_is_answered(reply: bytes) -> None:
    replies = ReplyFilter()
    replies.add(reply)
    assert replies.take() == reply
    assert replies.take() == b""


@each(
    "reply",
    [
        b"\x1b]lrm -rf\x1b\\",
        b"\x1b]Licon\x1b\\",
        b"\x1b]52;c;cm0=\x07",
        b"typed\r",
        b"\x1b[1;3Rls\r",
        b"\x1bP1$rls\r\x1b\\",
    ],
)
def test_what_the_output_chose_is_not(reply: bytes) -> None:
    replies = ReplyFilter()
    replies.add(reply)
    assert replies.take() == b""


def test_answers_that_nobody_fetches_are_bounded() -> None:
    replies = ReplyFilter()
    for _ in range(100_000):
        replies.add(b"\x1b[0n")
    assert len(replies.take()) < 70_000
