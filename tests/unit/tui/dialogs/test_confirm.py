"""Confirm: what it says, and that only a deliberate key agrees."""

from __future__ import annotations

from typing import Any

import pytest
from textual.screen import ModalScreen

from flow_tui.dialogs.confirm import Confirm


def cancel_task(word: str | None = None) -> Confirm:
    return Confirm(
        "End llama-sft-7?",
        ["llama-sft-7  mithril  running 4h11m"],
        call="DELETE /v2/spot/bids/bid_9x3kQ",
        loses="boot disks, 1 open shell",
        keeps="volume data",
        word=word,
        agree="End the task",
        refuse="Keep it running",
    )


async def test_it_says_what_is_called_what_is_lost_and_what_stays(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        for expected in ("End llama-sft-7?", "running 4h11m", "DELETE /v2/spot/bids/bid_9x3kQ", "1 open shell"):
            assert expected in question.text
        assert [row.split()[1:3] for row in question.rows if "volume data" in row] == [["You", "keep:"]]
        assert all(label in question.text for label in ("You lose:", "What will be done:"))


async def test_its_buttons_and_keys_say_what_they_do(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        (buttons,) = [row for row in question.rows if "Keep it running" in row]
        assert "End the task" in buttons
        assert "Press y to end the task; enter and esc go back." in question.text
        assert "Cancel" not in question.text
        assert "onfirm" not in question.text


async def test_y_agrees(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        await question.press("y")
        assert question.answers == [True]


@pytest.mark.parametrize("key", ["escape", "n", "q"])
async def test_leaving_changes_nothing(ask: Any, key: str) -> None:
    async with ask(cancel_task()) as question:
        await question.press(key)
        assert question.answers == [False]


async def test_enter_cancels_because_cancel_has_the_focus(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        await question.press("enter")
        assert question.answers == [False]


async def test_enter_never_agrees_wherever_the_focus_goes(ask: Any) -> None:
    for tabs in range(4):
        async with ask(cancel_task()) as question:
            await question.press(*["tab"] * tabs, "enter")
            assert True not in question.answers


async def test_the_key_that_cancels_a_task_does_nothing_here(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        await question.press("ctrl+d", "ctrl+d")
        assert question.answers == []
        assert question.app.pressed_below == 0


async def test_a_click_agrees_and_a_click_cancels(ask: Any) -> None:
    for button, answer in ((".-agree", True), (".-cancel", False)):
        async with ask(cancel_task()) as question:
            await question.pilot.click(button)
            await question.pilot.pause()
            assert question.answers == [answer]


async def test_a_word_must_be_typed_in_full(ask: Any) -> None:
    async with ask(cancel_task(word="yes-data")) as question:
        await question.press("enter")
        await question.type("yes-dat")
        await question.press("enter")
        assert question.answers == []
        assert "Type yes-data exactly; esc goes back." in question.text
        await question.press("a", "enter")
        assert question.answers == [True]


async def test_where_a_word_is_asked_for_y_is_only_a_letter(ask: Any) -> None:
    async with ask(cancel_task(word="data")) as question:
        await question.press("y", "tab", "y")
        assert question.answers == []
        await question.press("escape")
        assert question.answers == [False]


async def test_foreign_text_is_shown_as_it_is(ask: Any) -> None:
    name = "[red]x[/\x1b[2J"
    question_text = Confirm(f"Delete {name}?", [name], call=name, loses=name, keeps=name, word=name)
    async with ask(question_text) as question:
        assert question.text.count("[red]x[/␛[2J") == 6
        assert "\x1b" not in question.text


async def test_a_long_call_scrolls_and_the_keys_stay_in_view(ask: Any) -> None:
    question_text = Confirm("Run?", ["a", "b"], call="\n".join(f"step {n}" for n in range(60)), loses="all", keeps="no")
    async with ask(question_text, size=(60, 15)) as question:
        assert "Press y to continue" in question.text
        assert "step 1" in question.text
        assert "You lose:" in question.text
        await question.press(*["pagedown"] * 9)
        assert "step 59" in question.text
        assert "Press y to continue" in question.text


async def test_an_answer_waits_while_another_screen_lies_on_top(ask: Any) -> None:
    async with ask(cancel_task()) as question:
        on_top: ModalScreen[None] = ModalScreen()
        await question.app.push_screen(on_top)
        question.app.question.finish(True)
        await question.pilot.pause()
        assert question.app.screen is on_top
        assert question.answers == []
        on_top.dismiss()
        await question.until(lambda: question.answers == [True])
        assert len(question.app.screen_stack) == 1
