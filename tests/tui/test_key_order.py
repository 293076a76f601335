"""Keys that arrive together take effect one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

from textual import events
from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Input

from flow_tui.key_order import OrderedKeys


class Question(ModalScreen[str]):
    def compose(self) -> ComposeResult:
        yield Input(id="answer")


class TwoFields(OrderedKeys, App[None]):
    BINDINGS = [("ctrl+n", "ask", "ask")]

    def compose(self) -> ComposeResult:
        yield Input(id="one")
        yield Input(id="two")

    def action_ask(self) -> None:
        self.run_worker(self._ask())

    async def _ask(self) -> None:
        await self.push_screen_wait(Question())


def burst(app: App[Any], text: str) -> None:
    """Everything at once, as one read from a slow link brings it."""
    names = {"\t": "tab", "\x15": "ctrl+u", "\x0e": "ctrl+n", " ": "space"}
    for character in text:
        printable = character if character.isprintable() else None
        app.post_message(events.Key(names.get(character, character), printable))


async def until(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


async def test_text_after_a_tab_goes_to_the_next_field() -> None:
    app = TwoFields()
    async with app.run_test():
        burst(app, "first field\tsecond field")
        await until(lambda: app.query_one("#two", Input).value == "second field")
        assert app.query_one("#one", Input).value == "first field"


async def test_a_key_that_clears_does_not_clear_what_came_after_it() -> None:
    app = TwoFields()
    async with app.run_test():
        burst(app, "wrong\x15right")
        await until(lambda: app.query_one("#one", Input).value == "right")


async def test_a_long_burst_stays_in_order() -> None:
    app = TwoFields()
    text = "".join(chr(ord("a") + i % 26) for i in range(600))
    async with app.run_test():
        for start in range(0, len(text), 7):
            burst(app, text[start : start + 7])
            await asyncio.sleep(0)
        await until(lambda: len(app.query_one("#one", Input).value) == len(text))
        assert app.query_one("#one", Input).value == text


async def test_text_after_a_key_that_opens_a_question_goes_into_the_question() -> None:
    app = TwoFields()
    async with app.run_test():
        burst(app, "\x0eyes please")
        await until(lambda: isinstance(app.screen, Question))
        await until(lambda: app.screen.query_one("#answer", Input).value == "yes please")
        assert app.screen_stack[0].query_one("#one", Input).value == ""
