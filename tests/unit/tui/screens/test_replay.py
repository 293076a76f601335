"""Recordings listed and played."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.screen_text import screen_text
from testbed.tui.press import press
from testbed.tui.question import Asked
from testbed.waiting import until

from flow_core.config import state_dir
from flow_tui.screens.recordings import list_recordings
from flow_tui.screens.replay import Replay, open_replay

LINES = ['[0.0, "o", "one\\r\\n"]', '[40.0, "o", "two\\u001b]52;c;aGk=\\u0007\\u0007"]']


def recorded(name: str, title: str) -> Path:
    file = state_dir() / "recordings" / f"{name}.cast"
    file.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"version": 2, "width": 30, "height": 5, "title": title})
    file.write_text("\n".join([header, *LINES]), encoding="utf-8")
    return file


def shown(screen: Replay) -> str:
    return screen_text(screen.app)


async def test_recordings_are_listed_by_what_they_are_of() -> None:
    assert await list_recordings() == []
    file = recorded("a", "train [red]node 1")
    (found,) = await list_recordings()
    assert (found.value, found.note) == (str(file), "train [red]node 1")


async def test_a_recording_is_played_paused_and_sought_and_does_nothing_else() -> None:
    screen = await open_replay(recorded("b", "train"))
    app = Asked(screen)
    async with app.run_test(size=(60, 14)) as pilot:

        async def until_shown(*wanted: str) -> None:
            await until(lambda: all(text in shown(screen) for text in wanted), explain=lambda: shown(screen))

        await pilot.pause()
        await until_shown("one", "playing", "/ 00:40")
        await press(pilot, "replay.pause")
        await until_shown("paused")
        await pilot.press(*["right"] * 9)
        await until_shown("two", "00:40 / 00:40", "at the end")
        await press(pilot, "replay.back")
        await until_shown("00:35", "paused")
        assert "two" not in shown(screen)
        await press(pilot, "replay.faster", "replay.faster")
        await until_shown("4x")
        assert app.clipboard == ""
        await press(pilot, "replay.close")
        assert app.screen is not screen
