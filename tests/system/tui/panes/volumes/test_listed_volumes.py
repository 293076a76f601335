"""Storage that a context only lists, and the partitions of a cluster beside the machines of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.tui.cluster_dashboard import opened
from testbed.tui.press import press

from flow_tui.dialogs.field import ChoiceInput, Field
from flow_tui.panes.volumes.pane import VolumesPane
from flow_tui.panes.volumes.volume_form import VolumeForm


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_paths_are_listed_with_their_use_and_no_key_changes_them(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size=size) as seen:
        await seen.press("app.show_volumes")
        await seen.shows("/scratch/ana", "3.9T 96%", "42G 42%", "/work/project")
        assert "free" not in seen.text.partition("Log")[0]
        await seen.press("volumes.delete")
        await seen.until(lambda: "cluster only lists its storage; scratch can't be attached or deleted" in seen.notices)
        await seen.press("volumes.attach")
        await seen.press("volumes.create")
        await seen.until(lambda: "No context can create volumes." in seen.notices)


async def test_a_new_volume_goes_to_a_context_that_can_create_it(tmp_path: Path) -> None:
    async with opened(tmp_path, "lab", size=(150, 44)) as seen:
        await seen.press("app.show_volumes", "app.show_volumes")
        await seen.shows("/home/ana", "checkpoints", "free")
        assert seen.dashboard.pane(VolumesPane).table.move_to(("lab", "vol_2"))
        await seen.press("volumes.create")
        await seen.until(lambda: isinstance(seen.app.screen, VolumeForm))
        (choice,) = [field.control for field in seen.app.screen.query(Field) if field.key == "context"]
        assert isinstance(choice, ChoiceInput)
        assert choice.entered == "lab"
        await press(seen.pilot, "escape")


async def test_partitions_are_listed_beside_the_prices_of_a_cloud_with_why_one_is_drained(tmp_path: Path) -> None:
    async with opened(tmp_path, "cloud", size=(80, 24)) as seen:
        await seen.press("app.show_instances", "app.show_instances")
        await seen.shows("8xA100  gpu            12 of 64", "4xV100  old            drained", "us-central1-a")
        await seen.press("instances.cursor_down")
        await seen.shows("2 of 2 nodes drained: power supply replacement")
        await seen.press("instances.submit_here")
        await seen.until(lambda: "power supply replacement" in seen.notices)
