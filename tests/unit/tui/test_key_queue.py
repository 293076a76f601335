"""Keys that arrive together take effect one after the other."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from testbed.waiting import until
from textual import events
from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from flow_tui.key_queue import KeyQueue, hold_keys
from flow_tui.shell_key_hold import KeyHold


class Question(ModalScreen[str]):
    def compose(self) -> ComposeResult:
        yield Input(id="answer")


class SlowInput(Input):
    """On a busy machine a key takes its time."""

    async def _on_key(self, event: events.Key) -> None:
        await asyncio.sleep(0.4)
        await super()._on_key(event)


class SlowFields(KeyQueue, App[None]):
    def compose(self) -> ComposeResult:
        yield SlowInput(id="one")
        yield Input(id="two")


class TwoFields(KeyQueue, App[None]):
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
    names = {"\t": "tab", "\x15": "ctrl+u", "\x0e": "ctrl+n", "\x1b": "escape", " ": "space"}
    for character in text:
        printable = character if character.isprintable() else None
        app.post_message(events.Key(names.get(character, character), printable))


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
        await until(lambda: [field.value for field in app.screen.query(Input)] == ["yes please"])
        assert app.screen_stack[0].query_one("#one", Input).value == ""


async def test_text_after_a_tab_goes_to_the_next_field_however_long_the_first_takes() -> None:
    app = SlowFields()
    async with app.run_test():
        burst(app, "a\tb")
        await until(lambda: app.query_one("#two", Input).value == "b")
        assert app.query_one("#one", Input).value == "a"


async def test_pasted_text_goes_where_the_focus_is_after_the_keys_before_it() -> None:
    app = SlowFields()
    async with app.run_test():
        burst(app, "a\t")
        app.post_message(events.Paste("pasted"))
        burst(app, "b")
        await until(lambda: app.query_one("#two", Input).value == "pastedb")
        assert app.query_one("#one", Input).value == "a"


async def test_a_key_of_a_widget_that_goes_away_holds_up_no_other() -> None:
    app = SlowFields()
    async with app.run_test():
        burst(app, "a")
        await until(lambda: app._under_way is not None)
        await app.query_one("#one").remove()
        app.query_one("#two").focus()
        await until(lambda: app.focused is app.query_one("#two"))
        burst(app, "b")
        await until(lambda: app.query_one("#two", Input).value == "b")


class Opening(KeyQueue, App[None]):
    """Its key ctrl+n begins to open something that takes keys; every other key is a command."""

    BINDINGS = [("ctrl+n", "open", "open"), ("a,b,c", "command", "command")]

    def __init__(self) -> None:
        super().__init__()
        self.hold: KeyHold | None = None
        self.stops = 0
        self.commands = 0

    def compose(self) -> ComposeResult:
        yield Button()
        yield Input(id="opened")

    def action_open(self) -> None:
        self.hold = hold_keys(self.screen, self._stop)

    def action_command(self) -> None:
        self.commands += 1

    def _stop(self) -> None:
        self.stops += 1

    @property
    def opened(self) -> Input:
        return self.query_one("#opened", Input)

    async def typed(self, text: str) -> KeyHold:
        """Types it at once, and waits until the app has seen all of it."""
        are_read = asyncio.Event()
        burst(self, text)
        self.call_later(are_read.set)
        await are_read.wait()
        await until(lambda: self.hold is not None and not self._typed and self._under_way is None)
        assert self.hold is not None
        return self.hold


async def test_keys_after_the_key_that_opens_wait_for_what_is_opened() -> None:
    app = Opening()
    async with app.run_test():
        hold = await app.typed("\x0eabc abc")
        app.opened.focus()
        app.call_later(hold.hand_over, app.opened)
        burst(app, "d")
        await until(lambda: app.opened.value == "abc abcd")
        assert app.commands == 0


async def test_keys_for_what_could_not_be_opened_are_dropped_with_what_follows_them_without_a_pause() -> None:
    app = Opening()
    async with app.run_test():
        hold = await app.typed("\x0eabc")
        hold.end()
        await app.typed("abc")
        assert app.commands == 0
        await until(lambda: hold._drops_until is not None and time.monotonic() > hold._drops_until)
        await app.typed("a")
        assert app.commands == 1


async def test_nothing_is_dropped_after_an_opening_that_failed_before_anything_was_typed() -> None:
    app = Opening()
    async with app.run_test():
        (await app.typed("\x0e")).end()
        await app.typed("a")
        assert app.commands == 1


async def test_escape_stops_the_opening_and_gives_the_keys_back_to_the_dashboard() -> None:
    app = Opening()
    async with app.run_test():
        await app.typed("\x0eabc\x1bab")
        assert (app.stops, app.commands) == (1, 2)


async def test_a_question_that_comes_while_something_is_opened_gets_its_own_keys() -> None:
    app = Opening()
    async with app.run_test():
        hold = await app.typed("\x0eab")
        question = Question()
        await app.push_screen(question)
        await until(lambda: question.focused)
        await app.typed("secret")
        assert question.query_one("#answer", Input).value == "secret"
        app.opened.focus()
        app.call_later(hold.hand_over, app.opened)
        await until(lambda: app.opened.value == "ab")
        assert question.query_one("#answer", Input).value == "secret"


async def test_only_so_many_keys_are_held() -> None:
    app = Opening()
    async with app.run_test():
        hold = await app.typed("\x0e")
        for _ in range(20):
            await app.typed("a" * 100)
        app.opened.focus()
        app.call_later(hold.hand_over, app.opened)
        await until(lambda: len(app.opened.value) == 1024)
        assert app.commands == 0


async def test_keys_that_are_held_for_something_without_the_focus_are_dropped() -> None:
    app = Opening()
    async with app.run_test():
        hold = await app.typed("\x0eabc")
        hold.hand_over(app.opened)
        await app.typed("abc")
        assert (app.opened.value, app.commands) == ("", 0)


async def test_what_is_typed_while_the_app_ends_does_nothing() -> None:
    app = TwoFields()
    async with app.run_test():
        pass
    key, click = events.Key("q", "q"), events.MouseMove(None, 1, 1, 0, 0, 0, False, False, False)
    for event in (key, click, events.Paste("text")):
        await app.on_event(event)
        event._set_forwarded()
        await app.on_event(event)
