"""What the submit form shows before anything is sent: the request, a script's requests, and the start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from testbed.fixed_cluster import FixedCluster
from testbed.tui.cluster_dashboard import ClusterDashboard, opened

from flow_core.errors import ConfigError
from flow_core.models.scheduling import StartEstimate
from flow_tui.dialogs.field import Field
from flow_tui.dialogs.submit.request_preview import RequestPreview
from flow_tui.dialogs.submit.submit_form import SubmitForm

SCRIPT = "#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --gres=gpu:9\nsrun train\n"


async def open_form(seen: ClusterDashboard, **values: str) -> None:
    await seen.press("app.new_task")
    await seen.until(lambda: isinstance(seen.app.screen, SubmitForm) and seen.app.screen.query(Field))
    fill(seen, **values)


def fill(seen: ClusterDashboard, **values: str) -> None:
    for field in seen.app.screen.query(Field):
        if field.key in values:
            field.fill(values[field.key])


async def test_the_request_is_shown_and_copied_exactly_and_nothing_is_sent(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as seen:
        await open_form(seen, command="echo '[red]x[/'\necho \x1b[2J")
        await seen.press("submit.preview")
        await seen.until(lambda: isinstance(seen.app.screen, RequestPreview))
        await seen.shows("This would be sent to cluster", "#SBATCH --job-name=flow-task", "echo '[red]x[/'", "␛[2J")
        await seen.press("preview.copy")
        await seen.until(lambda: seen.app.clipboard.endswith("echo '[red]x[/'\necho \x1b[2J\nEND"))
        await seen.press("reader.close")
        await seen.until(lambda: isinstance(seen.app.screen, SubmitForm))
        assert seen.changes == []


async def test_a_request_that_is_not_complete_is_refused_at_its_field(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        await open_form(seen)
        await seen.press("submit.preview")
        await seen.shows("must not be empty; enter a command or a script")
        assert isinstance(seen.app.screen, SubmitForm)


async def test_the_request_of_any_context_can_be_shown(tmp_path: Path) -> None:
    async with opened(tmp_path, "lab", contexts=("lab",)) as seen:
        await open_form(seen, command="true", name="train")
        await seen.press("submit.preview")
        await seen.shows("This would be sent to lab", "POST /v2/spot/bids train")


async def test_what_a_script_requests_is_shown_below_it_and_in_the_preview(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as seen:
        await open_form(seen, command=SCRIPT)
        await seen.shows("this script requests   nodes: 2   gres: gpu:9", "gres gpu:9: a node has at most 8 GPUs")
        await seen.press("submit.preview")
        await seen.until(lambda: isinstance(seen.app.screen, RequestPreview))
        await seen.shows("nodes         2", "a node has at most 8 GPUs", "srun train")
        await seen.press("reader.close")
        fill(seen, command="python train.py")
        await seen.until(lambda: "this script requests" not in seen.text)


async def test_the_expected_start_is_shown_once_typing_pauses(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        start = datetime.now(UTC) + timedelta(days=2)
        FixedCluster.estimates = {"4xa100": StartEstimate(start, ("node-1",), "gpu")}
        await open_form(seen, command="python train.py", gpu="4xa100")
        await seen.shows(f"would start about {start.astimezone():%Y-%m-%d %H:%M} in gpu on node-1")
        FixedCluster.estimates = {
            "9xa100": ConfigError("instance_type: a node has at most 8 GPUs", field="instance_type")
        }
        fill(seen, gpu="9xa100")
        await seen.shows("│ a node has at most 8 GPUs")
        fill(seen, gpu="cpu")
        await seen.until(lambda: "a node has at most" not in seen.text)
        assert seen.changes == []


async def test_the_last_answer_counts_and_typing_never_waits(tmp_path: Path) -> None:
    async with opened(tmp_path) as seen:
        silent = asyncio.Event()
        start = StartEstimate(datetime.now(UTC) - timedelta(days=1), (), "gpu")
        FixedCluster.estimates = {"2xa100": silent, "4xa100": start}
        await open_form(seen, command="python train.py", gpu="2xa100")
        await seen.shows("estimating the start…")
        fill(seen, gpu="4xa100")
        await seen.shows("would start now in gpu")
        silent.set()
        await seen.pilot.pause()
        assert "would start now in gpu" in seen.text


async def test_a_context_without_a_scheduler_estimates_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, "lab") as seen:
        FixedCluster.estimates = {"cpu": StartEstimate(datetime.now(UTC), (), "gpu")}
        await open_form(seen, command="python train.py")
        await seen.shows("would start now in gpu")
        next(field for field in seen.app.screen.query(Field) if field.key == "context").control.action_turn(1)  # type: ignore[union-attr]
        await seen.until(lambda: "would start" not in seen.text)
