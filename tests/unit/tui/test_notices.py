"""Notices and the problems of the config: seen once, and again at `!`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from testbed.screen_text import front_text, screen_text, unwrapped
from testbed.tui.press import press
from testbed.waiting import until
from textual.pilot import Pilot

from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.screens.contexts import ContextsScreen
from flow_tui.screens.dashboard import DashboardScreen

BROKEN = """\
contexts:
  bad: {provider: nowhere}
dashboard:
  theme: mauve
  colour: red
  keys:
    tasks.fly: y
    tasks.logs: control-x
    tasks.shell: q
"""


@asynccontextmanager
async def opened(folder: Path, text: str = "", *, size: tuple[int, int] = (160, 45)) -> AsyncIterator[Pilot[None]]:
    file = folder / "config.yaml"
    file.write_text(text, encoding="utf-8")
    app = FlowApp(load_config(file))
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.fleet.states and all(state.answered_at is not None for state in app.fleet.states))
        await pilot.pause()
        yield pilot


async def shows(pilot: Pilot[None], *texts: str) -> None:
    await until(
        lambda: all(unwrapped(text) in unwrapped(front_text(pilot.app)) for text in texts),
        explain=lambda: screen_text(pilot.app),
    )


async def test_every_problem_of_the_config_stands_at_the_exclamation_mark_with_its_line(tmp_path: Path) -> None:
    async with opened(tmp_path, BROKEN) as pilot:
        await shows(pilot, "6 config problems: press !")
        await press(pilot, "app.attend")
        await until(lambda: isinstance(pilot.app.screen, ContextsScreen))
        pilot.app.clear_notifications()
        await shows(
            pilot,
            "config.yaml:2: contexts.bad.provider: 'nowhere' is no provider",
            "config.yaml:4: dashboard.theme: there is no theme 'mauve'",
            "config.yaml:5: dashboard.colour: is not a setting",
            "config.yaml:7: dashboard.keys.tasks.fly: there is no action",
            "config.yaml:8: dashboard.keys.tasks.logs: 'control-x' is not a key",
            "config.yaml:9: dashboard.keys.tasks.shell: q is already the key of app.quit",
        )
        await press(pilot, "contexts.copy")
        assert "config.yaml:5: dashboard.colour" in pilot.app.clipboard


async def test_many_problems_of_the_config_do_not_cover_the_screen(tmp_path: Path) -> None:
    async with opened(tmp_path, BROKEN) as pilot:
        await until(lambda: len(pilot.app._notifications) == 4)
        await shows(pilot, "3 more config problems: press !")


async def test_the_header_says_nothing_of_a_sound_config(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        assert "press !" not in screen_text(pilot.app)


@pytest.mark.parametrize("action_id", ["tasks.pause", "tasks.logs"])
async def test_a_notice_that_comes_again_does_not_pile_up(tmp_path: Path, action_id: str) -> None:
    async with opened(tmp_path) as pilot:
        for _ in range(4):
            await press(pilot, action_id)
        await shows(pilot, "no task is selected; press")
        assert unwrapped(screen_text(pilot.app)).count(unwrapped("no task is selected; press")) == 1
        assert len(pilot.app._notifications) == 1


async def test_the_exclamation_mark_shows_past_notices_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await press(pilot, "tasks.pause")
        await shows(pilot, "no task is selected; press")
        dashboard = pilot.app.screen
        assert isinstance(dashboard, DashboardScreen)
        dashboard.services.notify("the other thing failed [/]", severity="error")
        dashboard.services.notify("copied")
        await shows(pilot, "the other thing failed [/]", "copied")
        pilot.app.clear_notifications()
        await press(pilot, "app.attend")
        await shows(pilot, "Warnings and errors", "no task is selected; press", "the other thing failed [/]")
        text = screen_text(pilot.app)
        assert text.index("the other thing failed") < text.index("no task is selected; press")
        assert "copied" not in text


async def test_only_the_last_fifty_warnings_are_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        app = pilot.app
        assert isinstance(app, FlowApp)
        for number in [*range(60), 15]:
            app.notify(f"warning {number}", severity="warning")
        await until(lambda: len(tuple(app.past_notices)) == 50 and list(app.past_notices)[-1].text == "warning 15")
        assert next(notice.text for notice in app.past_notices) == "warning 10"
