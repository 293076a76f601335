"""Keys that the user has changed stand everywhere where a key is named, and the help fits its screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from testbed.screen_text import front_text, screen_rows, screen_text, unwrapped
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from flow_core.config_file import load_config
from flow_tui.action_table import ACTIONS
from flow_tui.app import FlowApp
from flow_tui.command_palette import ActionPalette
from flow_tui.dialogs.help import HelpEntry, HelpScreen
from flow_tui.keymap import Keymap

SIZES = [(120, 36), (80, 24), (60, 15)]
OWN_KEYS = """\
dashboard:
  shell_release: ctrl+g
  keys:
    tasks.cancel: x
    tasks.shell: f2
    tasks.filter: f3
    app.new_task: ctrl+a
    app.show_logs: f4
    app.attend: f1
    app.palette: ctrl+k
    app.back: f7
    volumes.create: v
"""


@asynccontextmanager
async def opened(
    folder: Path, text: str = OWN_KEYS, *, size: tuple[int, int] = (160, 48), **options: Any
) -> AsyncIterator[Pilot[None]]:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    config = load_config(file)
    assert config.problems == ()
    app = FlowApp(config, **options)
    assert app.problems == ()
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.fleet.states and all(state.answered_at is not None for state in app.fleet.states))
        await until(lambda: len(app.screen.query("#panes > *")) == 5)
        await pilot.pause()
        yield pilot


async def shows(pilot: Pilot[None], *texts: str) -> str:
    await until(lambda: all(text in screen_text(pilot.app) for text in texts), explain=lambda: screen_text(pilot.app))
    return screen_text(pilot.app)


def detail(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one("#detail", Static).content)


async def test_a_changed_key_stands_in_footer_tabs_empty_panes_and_sentences(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await shows(
            pilot,
            "f4 Logs",
            "Press ctrl+a to submit one",
            "Press v to create one",
            "Press f2 on a running task",
        )
        footer = screen_rows(pilot.app)[-1].strip()
        assert footer == ("? help ^a new task f3 filter l logs f2 shell d detail x end y copy ^k palette q quit")
        assert "ctrl+]" not in screen_text(pilot.app)
        await pilot.press("x")
        await shows(pilot, "no task is selected; press ctrl+a to")
        await press(pilot, "app.show_volumes", "volumes.copy")
        await shows(pilot, "no volume is selected; press v to")
        await press(pilot, "app.show_instances", "instances.filter", *"nothing-like-it", "enter")
        await shows(pilot, "No row matches the filter.", "Press f7 to clear it.")


async def test_a_changed_key_stands_in_the_header(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("colour: red\n" + OWN_KEYS, encoding="utf-8")
    app = FlowApp(load_config(file))
    async with app.run_test(size=(120, 36)) as pilot:
        await shows(pilot, "1 config problem: press f1")
        await pilot.press("f1")
        await until(lambda: unwrapped("colour: is not a known setting") in unwrapped(front_text(pilot.app)))
        await pilot.press("f1")
        await until(lambda: len(app.screen_stack) == 1)


async def test_a_changed_key_stands_in_the_help_and_the_palette(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await press(pilot, "app.help")
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        rows = [str(option.prompt).split() for option in pilot.app.screen.query_one(OptionList).options]
        assert ["x", "end"] in rows
        assert ["f4", "logs"] in rows
        assert ["^k", "palette"] in rows
        await pilot.press(*"qqqq")
        assert detail(pilot) == "No key matches. Press ctrl+k to search all actions."
        await pilot.press("escape", "ctrl+k")
        await until(lambda: isinstance(pilot.app.screen, ActionPalette))
        await pilot.press(*"cancel")
        await shows(pilot, "tasks: end   x")
        await pilot.press("escape")
        await until(lambda: len(pilot.app.screen_stack) == 1)
        await pilot.press("ctrl+p")  # is no key of the palette any more
        await pilot.pause()
        assert len(pilot.app.screen_stack) == 1


async def test_a_letter_that_opens_the_help_can_be_searched_for(tmp_path: Path) -> None:
    async with opened(tmp_path, "dashboard: {keys: {app.help: U}}") as pilot:
        await pilot.press("U")
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.press(*"shell")
        assert pilot.app.screen.query_one(Input).value == "shell"


async def test_the_help_leaves_out_what_read_only_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path, "", read_only=True) as pilot:
        await press(pilot, "app.help")
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        ids = {option.id for option in pilot.app.screen.query_one(OptionList).options}
        assert ids == {action.id for action in ACTIONS if action.noun in ("app", "tasks") and not action.changes}
        assert "tasks.logs" in ids
        assert "tasks.cancel" not in ids


async def test_no_pane_names_a_key_that_read_only_refuses(tmp_path: Path) -> None:
    async with opened(tmp_path, "", read_only=True) as pilot:
        text = await shows(pilot, "No tasks yet.", "No volumes yet.", "No shell is open.")
        assert "press" not in text.casefold()
        await press(pilot, "tasks.copy")
        await shows(pilot, "no task is selected")
        assert "press" not in screen_text(pilot.app)


async def test_the_sentence_of_the_selected_line_is_in_view_whole_at_every_size(tmp_path: Path) -> None:
    async with opened(tmp_path, "") as pilot:
        await press(pilot, "app.help")
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        for size in SIZES:
            await pilot.resize_terminal(*size)
            for word in ("quit", "persistent", "zoom"):
                pilot.app.screen.query_one(Input).value = word
                await shows(pilot, "action id: ", word)
                await until(lambda: is_in_view(pilot, detail(pilot)), explain=lambda: screen_text(pilot.app))


async def test_a_long_reason_is_in_view_whole_at_every_size(tmp_path: Path) -> None:
    reason = f"a shell needs a running task; {'a-long-name-of-a-task-' * 4} is preempting and comes back later"
    entries = [HelpEntry("x", f"Action {number}", "", f"a.{number}", reason) for number in range(50)]
    async with opened(tmp_path, "") as pilot:
        pilot.app.push_screen(HelpScreen("Keys: tasks", entries, Keymap(ACTIONS)))
        await until(lambda: isinstance(pilot.app.screen, HelpScreen))
        for size in SIZES[:2]:
            await pilot.resize_terminal(*size)
            await until(lambda: is_in_view(pilot, f"Not now: {reason}"), explain=lambda: screen_text(pilot.app))


def is_in_view(pilot: Pilot[None], sentence: str) -> bool:
    return bool(sentence) and unwrapped(sentence) in unwrapped(front_text(pilot.app))


def test_every_action_has_a_key() -> None:
    keys = Keymap(ACTIONS)
    assert all(keys.keys_of(action.id) and keys.short(action.id) for action in ACTIONS)
