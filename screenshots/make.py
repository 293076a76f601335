"""Makes screenshots/*.svg from the running dashboard, on real tasks in a state directory of their own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from flow_core import AsyncFlow, TaskConfig, VolumeSpec
from flow_core.config_file import load_config
from flow_tui.app import FlowApp
from flow_tui.panes.tasks.metrics_view import MetricsView

HERE = Path(__file__).parent
DEADLINE_S = 20.0
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


async def main() -> None:
    async with _tasks():
        for columns, rows in ((160, 48), (120, 36), (80, 24)):
            name = "dashboard" if columns == 120 else f"dashboard-{columns}x{rows}"
            async with _dashboard(columns, rows) as pilot:
                await _shows(pilot, "step")
                _save(pilot, name)
        async with _dashboard(120, 36) as pilot:
            await pilot.press("ctrl+n")
            await _shows(pilot, "New")
            await pilot.press(*"fine-tune", "tab")
            await pilot.press(*"python tune.py --epochs 3")
            _save(pilot, "submit")
        async with _dashboard(120, 36) as pilot:
            await _shows(pilot, "step")
            await pilot.press("4", "4")
            await pilot.pause()
            await _shows(pilot, "loss")
            _save(pilot, "logs")
        async with _dashboard(120, 36) as pilot:
            await _shows(pilot, "step")
            await pilot.press("m")
            await _shows(pilot, "H100")
            await _until(pilot, lambda: len(pilot.app.screen.query_one(MetricsView).history.load) >= SAMPLES)
            _save(pilot, "metrics")
        async with _dashboard(120, 36) as pilot:
            await _shows(pilot, "step")
            await pilot.press("s")
            await _shows(pilot, "SHELL")
            await pilot.press(*"ls /data", "enter", *"uname", "enter")
            await _shows(pilot, "Linux" if sys.platform == "linux" else "Darwin")
            _save(pilot, "shell")


@asynccontextmanager
async def _tasks() -> AsyncIterator[None]:
    """Real local tasks, ended when the pictures are taken."""
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
            await flow.create_volume(20, "checkpoints")
            data = VolumeSpec(name="datasets", size_gb=50, mount_path="/data", create_if_missing=True)
            try:
                for name, command in TASKS:
                    volumes = [data] if name == "train-medium" else []
                    task = TaskConfig(
                        name=name, unique_name=False, command=command, volumes=volumes, working_dir=str(work)
                    )
                    await flow.run(task, wait=True)
                yield
            finally:
                for task in await flow.list_tasks(limit=100):
                    await task.cancel(force=True)
                    await task.wait(DEADLINE_S)


@asynccontextmanager
async def _dashboard(columns: int, rows: int) -> AsyncIterator[Pilot[object]]:
    app = FlowApp(load_config())
    async with app.run_test(size=(columns, rows)) as pilot:
        await _shows(pilot, "train-medium")
        yield pilot


async def _shows(pilot: Pilot[object], text: str) -> None:
    await _until(pilot, lambda: text in pilot.app.export_screenshot(), repr(text))


async def _until(pilot: Pilot[object], holds: Callable[[], bool], what: str = "what was waited for") -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not holds():
        if loop.time() > deadline:
            raise SystemExit(f"{what} did not appear in {DEADLINE_S:g} s")
        await pilot.pause(0.1)


def _save(pilot: Pilot[object], name: str) -> None:
    file = HERE / f"{name}.svg"
    file.write_text(pilot.app.export_screenshot(title="flow-tui"), encoding="utf-8")
    print(file.relative_to(HERE.parent))


if __name__ == "__main__":
    asyncio.run(main())
