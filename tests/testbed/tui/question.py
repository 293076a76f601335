"""A bare app that asks one question and keeps the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from testbed.screen_text import screen_rows
from testbed.tui.press import press, type_at_once
from testbed.waiting import until
from textual.app import App
from textual.pilot import Pilot
from textual.screen import ModalScreen

from flow_tui.themes import load_themes, variable_defaults
from flow_tui.widgets.raw_keys import keep_raw_keys


class Asked(App[None], inherit_bindings=False):
    """What lies under the question; `answers` has one entry once it was answered."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [("y", "below", "Below"), ("ctrl+d", "below", "Below"), ("enter", "below", "Below")]

    def __init__(self, question: ModalScreen[Any]) -> None:
        keep_raw_keys()
        super().__init__()
        for theme in load_themes()[0]:
            self.register_theme(theme)
        self.theme = "flow-dark"  # before it starts, or the style sheets are parsed twice
        self.question = question
        self.answers: list[Any] = []
        self.pressed_below = 0

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return variable_defaults()

    def on_mount(self) -> None:
        self.push_screen(self.question, self.answers.append)

    def action_below(self) -> None:
        self.pressed_below += 1


class Question:
    """The app under test, its keys, and what stands on its screen."""

    def __init__(self, app: Asked, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def answers(self) -> list[Any]:
        return self.app.answers

    @property
    def rows(self) -> list[str]:
        """The screen as text, row by row."""
        return screen_rows(self.app)

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    async def press(self, *keys: str) -> None:
        """Of an action's id, its key."""
        await press(self.pilot, *keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """All at once, as a terminal would send it."""
        type_at_once(self.app, text)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until it holds, and then for the picture of it."""
        await until(condition, explain=lambda: f"not in time; on screen:\n{self.text}")
        await self.pilot.pause()

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.text)


Ask = Callable[..., AbstractAsyncContextManager[Question]]


@pytest.fixture
def ask() -> Ask:
    """Opens a question on a screen of `size`."""

    @asynccontextmanager
    async def open_question(question: ModalScreen[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[Question]:
        app = Asked(question)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Question(app, pilot)

    return open_question
