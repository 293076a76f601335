"""How much may be on its way to the terminal, and its replies among the keys."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from flow_tui.output_window import REPLY, REQUEST, OutputWindow, StatusReplies

FRAME = b"x" * 5000


def make_window() -> tuple[OutputWindow, list[str]]:
    lost: list[str] = []
    return OutputWindow(lambda: lost.append("lost")), lost


async def test_a_big_frame_closes_the_window_until_the_terminal_answers() -> None:
    window, _ = make_window()
    assert window.add(FRAME) == FRAME + REQUEST
    assert window.is_open  # not every terminal answers
    assert window.confirm() == b""
    assert window.add(FRAME).endswith(REQUEST)
    assert not window.is_open
    window.confirm()
    assert window.is_open


async def test_small_frames_need_no_request_and_do_not_wait_for_one() -> None:
    window, _ = make_window()
    window.add(FRAME)
    window.confirm()
    assert [window.add(b"x" * 300) for _ in range(6)] == [b"x" * 300] * 6
    assert window.add(b"x" * 300).endswith(REQUEST)
    assert window.is_open


async def test_what_was_sent_after_a_request_is_asked_about_with_its_reply() -> None:
    window, _ = make_window()
    window.add(FRAME)
    assert window.add(FRAME) == FRAME
    assert window.confirm() == REQUEST
    assert not window.is_open
    assert window.confirm() == b""
    assert window.is_open


async def test_a_lost_reply_opens_the_window_again() -> None:
    window, lost = make_window()
    window.add(FRAME)
    window.confirm()
    window.add(FRAME)
    assert not window.is_open
    window._give_up()
    assert window.is_open
    assert lost == ["lost"]
    assert window.add(FRAME).endswith(REQUEST)


async def test_a_terminal_that_never_answered_is_not_asked_again() -> None:
    window, _ = make_window()
    window.add(FRAME)
    window._give_up()
    assert window.add(FRAME) == FRAME
    assert window.is_open
    await asyncio.sleep(0)


@given(st.lists(st.sampled_from(["j", "\x1b[A", REPLY, "\x1b", "é"]), max_size=12), st.lists(st.integers(1, 4)))
def test_replies_are_taken_out_of_the_keys_however_the_input_is_cut(keys: list[str], cuts: list[int]) -> None:
    replies, text, passed, found = StatusReplies(), "".join(keys), "", 0
    at = 0
    for cut in [*cuts, len(text)]:
        rest, count = replies.take(text[at : at + cut], is_waiting=True)
        passed, found, at = passed + rest, found + count, at + cut
    assert passed + replies.release() == "".join(key for key in keys if key != REPLY)
    assert found == keys.count(REPLY)


def test_an_escape_key_is_not_held_back_while_no_reply_is_due() -> None:
    assert StatusReplies().take("\x1b", is_waiting=False) == ("\x1b", 0)
