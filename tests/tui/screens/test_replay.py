"""Recordings listed and played."""

from __future__ import annotations

import json
import time
from pathlib import Path

from textual.app import App

from flow_core.config import state_dir
from flow_tui.screens.replay import Replay, open_replay, recordings

LINES = ['[0.0, "o", "one\\r\\n"]', '[40.0, "o", "two\\u001b]52;c;aGk=\\u0007\\u0007"]']


def recorded(name: str, title: str) -> Path:
    file = state_dir() / "recordings" / f"{name}.cast"
    file.parent.mkdir(parents=True, exist_ok=True)
    header = json.dumps({"version": 2, "width": 30, "height": 5, "title": title})
    file.write_text("\n".join([header, *LINES]), encoding="utf-8")
    return file


def shown(screen: Replay) -> str:
    return "\n".join(strip.text.rstrip() for strip in screen._compositor.render_strips(screen.app.size))


async def test_recordings_are_listed_by_what_they_are_of() -> None:
    assert await recordings() == []
    file = recorded("a", "train [red]node 1")
    (found,) = await recordings()
    assert (found.value, found.note) == (str(file), "train [red]node 1")


async def test_a_recording_is_played_paused_and_sought_and_does_nothing_else() -> None:
    screen = await open_replay(recorded("b", "train"))
    app: App[None] = App()
    async with app.run_test(size=(60, 14)) as pilot:
        app.push_screen(screen)

        async def until(*wanted: str) -> None:
            deadline = time.monotonic() + 30
            while not all(text in shown(screen) for text in wanted):
                assert time.monotonic() < deadline, shown(screen)
                await pilot.pause(0.02)

        await pilot.pause()
        await until("one", "playing", "/ 00:40")
        await pilot.press("space")
        await until("paused")
        await pilot.press(*["right"] * 9)
        await until("two", "00:40 / 00:40", "at the end")
        await pilot.press("left")
        await until("00:35", "paused")
        assert "two" not in shown(screen)
        await pilot.press("plus", "plus")
        await until("4x")
        assert app.clipboard == ""
        await pilot.press("q")
        assert app.screen is not screen
