"""A cluster with a queue that other users share: its tasks, partitions and paths never change, and it takes changes.

Moments are ages in days and hours, as those of `screenshot_provider`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from testbed.screenshot_provider import NOW, ScreenshotProvider, ago

from flow_core.config import Config, Context
from flow_core.errors import FlowError, NotFound
from flow_core.models.instance import AvailableInstance
from flow_core.models.scheduling import ScriptSummary, StartEstimate
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_core.models.volume import Volume
from flow_core.providers.contract.provider_type import ProviderType

NAME, WHERE = "fixed_cluster", "testbed.fixed_cluster"
"""For flow_core.providers.PROVIDERS."""
_COMPLETED, _FAILED, _RUNNING, _PENDING = (
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.RUNNING,
    TaskStatus.PENDING,
)
_CODES = {_COMPLETED: 0, _FAILED: 3}


def cluster_config(folder: Path, *others: Context) -> Config:
    """The cluster, and further contexts."""
    return Config(folder / "config.yaml", (Context("cluster", NAME, {}), *others), default="cluster")


def make_elements(*states: TaskStatus) -> tuple[ArrayElement, ...]:
    return tuple(ArrayElement(index, status, _CODES.get(status)) for index, status in enumerate(states))


TASKS = (
    TaskRecord(
        "cluster",
        "4711",
        "sweep-lr",
        _RUNNING,
        command="python sweep.py --index $INDEX",
        created_at=ago(1, 3),
        started_at=ago(1, 2),
        gpu_type="a100",
        gpu_count=1,
        region="gpu",
        owner="ana",
        elements=make_elements(*[_COMPLETED] * 8, _FAILED, *[_RUNNING] * 6, *[_PENDING] * 15),
    ),
    TaskRecord(
        "cluster",
        "4712",
        "pretrain",
        _PENDING,
        command="torchrun pretrain.py",
        created_at=ago(1, 4),
        num_instances=2,
        gpu_type="a100",
        gpu_count=4,
        region="gpu",
        owner="ana",
        message="waits for resources, start about 14:20",
        time_limit_s=24 * 3600,
    ),
    TaskRecord(
        "cluster",
        "4713",
        "held-back",
        _PENDING,
        command="python evaluate.py",
        created_at=ago(1, 5),
        gpu_type="a100",
        gpu_count=1,
        region="gpu",
        owner="ana",
        is_held=True,
        message="held by ana",
    ),
)
OTHERS = (
    TaskRecord(
        "cluster",
        "4700",
        "protein-folding",
        _RUNNING,
        command="python fold.py",
        created_at=ago(2, 2),
        started_at=ago(2, 1),
        gpu_type="a100",
        gpu_count=8,
        region="gpu",
        owner="ben",
    ),
)
INSTANCES = (
    AvailableInstance("cluster", "gpu/8xa100", "8xa100", "gpu", 0, "a100", 8, 80, 64, 512, 1, 8, 12, 64),
    AvailableInstance(
        "cluster",
        "old/4xv100",
        "4xv100",
        "old",
        0,
        *("v100", 4, 16, 32, 256, 0, 2, 0, 8),
        status="drained",
        description="2 of 2 nodes drained: power supply replacement",
    ),
    AvailableInstance("cluster", "cpu", "cpu", "cpu", 0, cpu_count=128, memory_gb=1024, description="at most 2d"),
)
VOLUMES = (
    Volume("cluster", "/scratch", "scratch", 4096, "file", used_bytes=3950 << 30, path="/scratch/ana"),
    Volume("cluster", "/home", "home", 100, "file", used_bytes=42 << 30, path="/home/ana"),
    Volume("cluster", "/work", "work", 0, "file", path="/work/project"),
)


class FixedCluster(ScreenshotProvider):
    """The provider of the cluster, and each of its facets. `changes` has the change calls of all of them.

    `refusal` is raised by the next change. `estimates` are the answers for requests, by their GPUs.
    """

    can_change = False
    changes: ClassVar[list[tuple[Any, ...]]] = []
    refusal: ClassVar[FlowError | None] = None
    estimates: ClassVar[dict[str, StartEstimate | FlowError | asyncio.Event | None]] = {}

    def __init__(self, context: Context, person: object = None) -> None:
        super().__init__(context)
        self._is_watching_everyone = False

    @classmethod
    def forget(cls) -> None:
        """Forgets the calls and answers of an earlier test."""
        cls.changes, cls.refusal, cls.estimates = [], None, {}

    @property
    def scheduling(self) -> Any:
        return self

    async def list_tasks(self, statuses: object = None, limit: int | None = None) -> tuple[TaskRecord, ...]:
        return (*TASKS, *OTHERS) if self._is_watching_everyone else TASKS

    async def get_task(self, task_id: str) -> TaskRecord:
        for task in (*TASKS, *OTHERS):
            if task.task_id == task_id:
                return task
        raise NotFound(f"no task {task_id!r}")

    async def submit(self, config: Any) -> TaskRecord:
        self._change("submit", config.command)
        return replace(TASKS[1], task_id="4714", name=config.name)

    async def list(self) -> tuple[Volume, ...]:
        return VOLUMES

    async def find(self, requirements: Any) -> tuple[AvailableInstance, ...]:
        return INSTANCES

    async def hold(self, task_id: str) -> None:
        self._change("hold", task_id)

    async def release(self, task_id: str) -> None:
        self._change("release", task_id)

    async def requeue(self, task_id: str) -> None:
        self._change("requeue", task_id)

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        self._change("set time limit", task_id, hours)

    async def signal(self, task_id: str, signal_name: str) -> None:
        self._change("signal", task_id, signal_name)

    async def estimate_start(self, config: Any) -> StartEstimate | None:
        answer = self.estimates.get(config.instance_types[0])
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return StartEstimate(NOW)
        if isinstance(answer, FlowError):
            raise answer
        return answer

    async def watch_everyone(self, on: bool) -> None:
        self._is_watching_everyone = on

    def describe_hold(self, task: TaskRecord) -> str:
        return f"scontrol hold {task.task_id}"

    def describe_release(self, task: TaskRecord) -> str:
        return f"scontrol release {task.task_id}"

    def describe_requeue(self, task: TaskRecord) -> str:
        return f"scontrol requeue {task.task_id}"

    def describe_set_time_limit(self, task: TaskRecord, hours: float) -> str:
        return f"scontrol update JobId={task.task_id} TimeLimit={round(hours * 60)}"

    def describe_signal(self, task: TaskRecord, signal_name: str) -> str:
        return f"scancel --signal={signal_name.removeprefix('SIG')} {task.task_id}"

    def describe_submit(self, config: Any) -> str:
        return f"sbatch <<'END'\n#!/bin/sh\n#SBATCH --job-name={config.name}\n\n{config.command_line}\nEND"

    def describe_cancel(self, task: TaskRecord) -> str:
        return f"scancel {task.task_id}"

    def summarize_script(self, command: str) -> ScriptSummary | None:
        options = [line.split("--")[1] for line in command.splitlines() if line.startswith("#SBATCH --")]
        lines = tuple((name, value) for name, _, value in (option.partition("=") for option in options))
        problems = ("gres gpu:9: a node has at most 8 GPUs",) if "gpu:9" in command else ()
        return ScriptSummary(lines, problems) if lines else None

    def _change(self, *change: Any) -> None:
        if (refusal := type(self).refusal) is not None:
            type(self).refusal = None
            raise refusal
        self.changes.append(change)


PROVIDER = ProviderType(FixedCluster, takes_batch_scripts=True)
