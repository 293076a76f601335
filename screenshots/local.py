"""Pictures of the dashboard over real tasks of this machine, in a state directory of their own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pictures import DEADLINE_S, dashboard, save, until, until_shown

from flow_core import AsyncFlow, TaskConfig, VolumeSpec
from flow_tui.panes.tasks.metrics_view import MetricsView

TRAIN = (
    "echo loading 4 shards; for i in $(seq 1 400); do "
    'echo "step $i loss $(awk -v i=$i \'BEGIN {printf "%.4f", 2.4 / (1 + i / 60)}\') tok/s 41.$((i % 10))k"; '
    "[ $((i % 25)) = 0 ] && echo 'warning: data loader is slow' >&2; sleep .05; done; sleep 600"
)
# Stands in for a driver: these machines have no GPUs. Its processes are the one that trains, whoever that is.
DRIVER = r"""#!/bin/sh
case $* in
--query-gpu*)
    echo "index, uuid, utilization.gpu, memory.used, memory.total, power.draw, power.limit, temperature.gpu, name"
    awk -v t="$(date +%s)" 'BEGIN {
        for (i = 0; i < 4; i++) {
            busy = 84 + 14 * sin(t / 3 + i * 1.7)
            printf "%d, GPU-%d, %d, %d, 81559, %d, 700, %d, NVIDIA H100 80GB HBM3\n",
                i, i, busy, 71200 + i * 310, busy * 6.4, 46 + busy / 6
        }
    }' ;;
--query-compute-apps*)
    echo "gpu_uuid, pid, used_gpu_memory, process_name"
    pid=$(grep -lsaz '^FLOW_TASK_NAME=train-medium' /proc/[0-9]*/environ | head -n 1 | tr -dc 0-9)
    for i in 0 1 2 3; do echo "GPU-$i, $pid, $((70900 + i * 310)), python train.py"; done ;;
esac
"""
SAMPLES = 8
TASKS = (
    ("tokenize-corpus", "seq 1 200 | sed 's/^/shard /'"),
    ("smoke-test", "echo importing; echo 'ModuleNotFoundError: no module named wandb' >&2; exit 1"),
    ("eval-small", "for i in 1 2 3 4 5; do echo suite $i ok; done"),
    ("export-weights", "sleep 600"),
    ("train-medium", TRAIN),
)


async def take_pictures() -> None:
    async with _tasks():
        for columns, rows in ((160, 48), (120, 36), (80, 24)):
            name = "dashboard" if columns == 120 else f"dashboard-{columns}x{rows}"
            async with dashboard("train-medium", (columns, rows)) as pilot:
                await until_shown(pilot, "step")
                save(pilot, name)
        async with dashboard("train-medium") as pilot:
            await pilot.press("ctrl+n")
            await until_shown(pilot, "New")
            await pilot.press(*"fine-tune", "tab")
            await pilot.press(*"python tune.py --epochs 3")
            save(pilot, "submit")
        async with dashboard("train-medium") as pilot:
            await until_shown(pilot, "step")
            await pilot.press("4", "4")
            await pilot.pause()
            await until_shown(pilot, "loss")
            save(pilot, "logs")
        async with dashboard("train-medium") as pilot:
            await until_shown(pilot, "step")
            await pilot.press("m")
            await until_shown(pilot, "H100")
            load = pilot.app.screen.query_one(MetricsView).history.load
            await until(pilot, lambda: len(load) >= SAMPLES, "metrics")
            save(pilot, "metrics")
        async with dashboard("train-medium") as pilot:
            await until_shown(pilot, "step")
            await pilot.press("s")
            await until_shown(pilot, "Shell  task")
            await pilot.press(*"ls /data", "enter", *"uname", "enter")
            await until_shown(pilot, "Linux" if sys.platform == "linux" else "Darwin")
            save(pilot, "shell")


@asynccontextmanager
async def _tasks() -> AsyncIterator[None]:
    async with _machine() as (flow, work):
        await flow.create_volume(20, "checkpoints")
        data = VolumeSpec(name="datasets", size_gb=50, mount_path="/data", create_if_missing=True)
        for name, command in TASKS:
            volumes = [data] if name == "train-medium" else []
            await flow.run(
                TaskConfig(name=name, unique_name=False, command=command, volumes=volumes, working_dir=str(work)),
                wait=True,
            )
        yield


@asynccontextmanager
async def run_tasks(tasks: Sequence[TaskConfig], *, ended: bool = False) -> AsyncIterator[None]:
    """These tasks, on a machine of their own; with `ended`, once all of them have ended."""
    async with _machine() as (flow, _):
        for task in tasks:
            submitted = await flow.run(task)
            if ended:
                await submitted.wait(DEADLINE_S)
        yield


@asynccontextmanager
async def _machine() -> AsyncIterator[tuple[AsyncFlow, Path]]:
    """A state directory with a driver and a folder for code. Its tasks end when the pictures are taken."""
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        os.environ.update(HOME=folder, FLOW_STATE_DIR=f"{folder}/state", PS1="$ ", TEXTUAL_ANIMATIONS="none")
        os.environ.pop("FLOW_CONFIG", None)
        driver = Path(folder) / "bin" / "nvidia-smi"
        driver.parent.mkdir()
        driver.write_text(DRIVER)
        driver.chmod(0o755)
        os.environ["PATH"] = f"{driver.parent}:{os.environ['PATH']}"
        work = Path(folder) / "project"
        work.mkdir()
        os.environ.pop("FLOW_CONTEXT", None)
        async with AsyncFlow("local") as flow:
            try:
                yield flow, work
            finally:
                for task in await flow.list_tasks(limit=100):
                    await task.cancel(force=True)
                    await task.wait(DEADLINE_S)
