"""The dashboard over a cloud: what it says of an account and of a platform that does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tui.cloud_dashboard import opened
from testbed.tui.press import press
from textual.strip import Strip

from flow_core import TaskConfig
from flow_core.emulator.faults import Fault
from flow_core.models.task import TaskStatus
from flow_tui.panes.tasks.pane import TasksPane


async def test_where_nothing_has_a_price_nothing_is_about_money_and_the_keys_of_a_bid_say_so(tmp_path: Path) -> None:
    async with opened(tmp_path, (160, 48), contexts=("local",)) as seen:
        await seen.until(lambda: "TYPE" in seen.text and "NAME" in seen.text)
        assert "$" not in seen.text
        assert "24H" not in seen.text
        assert "QUOTA" not in seen.text
        await seen.app.fleet.flow("local").run(TaskConfig(command="true"))
        seen.app.fleet.refresh()
        await seen.until(lambda: seen.dashboard.pane(TasksPane).table.rows)
        for verb in ("limit", "pause", "resume"):
            assert "Only cloud tasks can be paused" in str(seen.dashboard.panes.disabled_reason(f"tasks.{verb}"))
        await press(seen.pilot, "tasks.limit")
        await seen.until(lambda: "Only cloud tasks can be paused" in seen.notices())
        assert seen.app.screen is seen.dashboard


async def test_a_wrong_key_is_one_sentence_and_the_other_contexts_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path, api_key="fkey_wrong") as seen:
        await seen.shows("cloud! unreachable", "local●")
        await press(seen.pilot, "app.attend")
        await seen.until(lambda: seen.app.screen is not seen.dashboard)
        await seen.shows("cloud", "key")
        assert "fkey_wrong" not in seen.text


async def test_a_cloud_that_is_out_of_reach_keeps_its_last_answer_with_its_age(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await seen.submit(name="far-away")
        await seen.shows("far-away")
        seen.emulator.faults.add(Fault(cut="all", times=None))
        seen.app.fleet.refresh()
        await seen.shows("cloud! ", "s old", "local●", "far-away")


async def test_an_answer_that_says_nothing_new_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, contexts=("cloud",)) as seen:
        task_id = await seen.submit()
        await seen.app.fleet.flow("cloud").cancel(task_id)
        await seen.becomes(task_id, TaskStatus.CANCELLED)
        await seen.shows("cancelled")
        await seen.pilot.pause()
        told: list[str] = []
        seen.app.fleet.subscribe(lambda _: told.append("changed"))
        table = seen.dashboard.pane(TasksPane).table
        draw = table.render_line
        lines: dict[int, str] = {}

        def render_line(y: int) -> Strip:
            """Notes each line that is drawn again as it was; an age that has grown is drawn rightly."""
            strip = draw(y)
            if lines.get(y) == strip.text:
                told.append(f"drawn again: {strip.text}")
            lines[y] = strip.text
            return strip

        monkeypatch.setattr(table, "render_line", render_line)
        table.refresh()
        await seen.until(lambda: len(lines) > 1)
        for _ in range(3):
            await seen.news()
            await seen.pilot.pause(0.05)
        assert told == []
        lines.clear()
        await seen.submit(name="another")
        await seen.shows("another")
        assert "changed" in told
        assert lines
