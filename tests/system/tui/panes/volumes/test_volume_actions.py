"""Volumes of a cloud, where storage costs."""

from __future__ import annotations

from pathlib import Path

from testbed.tui.cloud_dashboard import fill, opened
from testbed.tui.press import press

from flow_core.models.task import TaskStatus
from flow_tui.dialogs.confirm import Confirm
from flow_tui.panes.volumes.attach_form import AttachForm
from flow_tui.panes.volumes.pane import VolumesPane
from flow_tui.panes.volumes.volume_form import VolumeForm


async def test_storage_that_costs_is_made_behind_a_question_and_attached_behind_another(tmp_path: Path) -> None:
    async with opened(tmp_path, contexts=("cloud",)) as seen:
        task_id = await seen.submit()
        await seen.becomes(task_id, TaskStatus.RUNNING)
        await press(seen.pilot, "app.show_volumes", "volumes.create")
        await seen.until(lambda: isinstance(seen.app.screen, VolumeForm))
        fill(seen.app.screen, name="data", size_gb="100")
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("100 GB of storage", "POST")
        assert not seen.calls("POST", "/v2/volumes")
        await press(seen.pilot, "confirm.agree")
        await seen.until(lambda: seen.app.screen is seen.dashboard and seen.dashboard.pane(VolumesPane).selected)
        await press(seen.pilot, "volumes.attach")
        await seen.until(lambda: isinstance(seen.app.screen, AttachForm))
        await press(seen.pilot, "form.send")
        await seen.until(lambda: isinstance(seen.app.screen, Confirm))
        await seen.shows("at most $40.00/h", "the task is paused")
        await press(seen.pilot, "confirm.refuse")
        await seen.shows("Nothing was attached")
        assert not seen.calls("PATCH", f"/v2/spot/bids/{task_id}")
