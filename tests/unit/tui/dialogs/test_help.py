"""The help screen, driven by its keys."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.bare_services import KEYS
from testbed.themed_app import ThemedApp
from textual.widgets import Input, OptionList, Static

from flow_tui.dialogs.help import HelpEntry, HelpScreen

ENTRIES = (
    HelpEntry("l", "Logs", "Read what the task wrote", "tasks.logs"),
    HelpEntry("^d", "Cancel", "End the task", "tasks.cancel"),
    HelpEntry("s", "Shell", "Enter the running task", "tasks.shell", reason="the task has ended [/x]"),
)


class Asking(ThemedApp):
    """An app that asks for help once, and keeps the answer."""

    def __init__(self, entries: Sequence[HelpEntry] = ENTRIES) -> None:
        super().__init__()
        self.entries = entries
        self.answers: list[str | None] = []

    def on_mount(self) -> None:
        self.push_screen(HelpScreen("Tasks [b]here[/nowhere]", self.entries, KEYS), self.answers.append)

    def rows(self) -> list[str]:
        options = self.screen.query_one(OptionList)
        return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]

    def detail(self) -> str:
        return str(self.screen.query_one("#detail", Static).content)


async def test_every_entry_is_listed_with_its_keys() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.rows() == [" l  Logs", "^d  Cancel", " s  Shell"]
        assert app.detail() == "Read what the task wrote"


async def test_typing_leaves_what_has_every_word() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.press(*"end", "space", *"TASK")
        assert app.rows() == ["^d  Cancel"]
        assert app.detail() == "End the task"
        await pilot.press(*"zz")
        assert app.rows() == []
        await pilot.press("enter")
        assert app.answers == []
        await pilot.press(*["backspace"] * 10)
        assert len(app.rows()) == len(ENTRIES)


async def test_a_cursor_message_that_the_search_has_overtaken_does_no_harm() -> None:
    app = Asking([HelpEntry(f"f{n}", f"Action {n}", f"Does {n}", f"a.{n}") for n in range(20)])
    async with app.run_test() as pilot:
        await pilot.pause()
        options = app.screen.query_one(OptionList)
        stale = OptionList.OptionHighlighted(options, options.get_option_at_index(8), 8)
        await pilot.press(*"zz")
        options.post_message(stale)
        await pilot.pause()
        assert app.rows() == []
        assert app.detail().startswith("No key matches")


async def test_a_click_that_the_search_has_overtaken_chooses_no_other_action() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.pause()
        options = app.screen.query_one(OptionList)
        stale = OptionList.OptionSelected(options, options.get_option_at_index(0), 0)
        await pilot.press(*"end the")
        assert app.rows() == ["^d  Cancel"]
        options.post_message(stale)
        await pilot.pause()
        assert app.answers == []


async def test_two_answers_in_one_burst_close_one_screen() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, HelpScreen)
        for _ in range(2):
            screen.call_next(screen.action_close)
        await pilot.pause()
        assert app.answers == [None]
        assert len(app.screen_stack) == 1


async def test_enter_answers_with_the_action_under_the_cursor() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.answers == ["tasks.cancel"]


async def test_what_can_not_be_done_now_says_why_and_can_not_be_chosen() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.press("up")
        await pilot.pause()
        assert app.detail() == "Not now: the task has ended [/x]"
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == []
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("up", "enter")
        await pilot.pause()
        assert app.answers == ["tasks.cancel"]


async def test_escape_and_the_question_mark_close_without_an_answer() -> None:
    for key in ("escape", "question_mark"):
        app = Asking()
        async with app.run_test() as pilot:
            await pilot.press("l", key)
            await pilot.pause()
            assert app.answers == [None]


async def test_a_click_chooses_and_the_search_field_keeps_the_keys() -> None:
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.focused, Input)
        await pilot.press("tab")
        assert isinstance(app.focused, Input)
        await pilot.click(OptionList, offset=(3, 1))
        await pilot.pause()
        assert app.answers == ["tasks.cancel"]


async def test_it_fits_a_small_terminal_and_scrolls() -> None:
    app = Asking([HelpEntry(f"f{n}", f"Action {n}", "", f"a.{n}") for n in range(100)])
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press(*["pagedown"] * 40, "enter")
        await pilot.pause()
        assert app.answers == ["a.99"]


async def test_nothing_to_list_is_said() -> None:
    app = Asking([])
    async with app.run_test() as pilot:
        await pilot.press("down", "enter")
        assert app.answers == []
        assert app.detail().startswith("No key matches")
