"""The hints of a dialog that may take several lines."""

from __future__ import annotations

from testbed.screen_text import screen_rows
from testbed.themed_app import ThemedApp
from testbed.waiting import until
from textual.app import ComposeResult

from flow_tui.dialogs.dialog import HintLines


class Hinted(ThemedApp):
    """An app with nothing but hints."""

    def compose(self) -> ComposeResult:
        self.hints = HintLines((("j k", "scroll"), ("e", "price limit"), ("P", "resume"), ("p", "pause")))
        yield self.hints

    def lines(self) -> list[str]:
        return [row.strip() for row in screen_rows(self) if row.strip()]


async def test_no_line_ends_between_a_key_and_its_effect() -> None:
    app = Hinted()
    async with app.run_test(size=(24, 6)) as pilot:
        await until(lambda: app.lines() == ["j k scroll", "e price limit  P resume", "p pause"], explain=app.lines)
        await pilot.resize_terminal(60, 6)
        await until(lambda: app.lines() == ["j k scroll  e price limit  P resume  p pause"], explain=app.lines)


async def test_changed_hints_are_shown() -> None:
    app = Hinted()
    async with app.run_test(size=(24, 6)):
        app.hints.hints = (("m", "overview"),)
        await until(lambda: app.lines() == ["m overview"], explain=app.lines)
