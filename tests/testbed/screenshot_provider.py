"""A provider with constant data, for screenshots: two contexts with tasks, volumes, instances and logs.

Times are given as ages in days and hours, so that a screenshot is the same a minute later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from flow_core.agent.spool import STDERR, STDOUT, SpoolFiles, SpoolWriter
from flow_core.config import Config, Context, state_dir
from flow_core.logs.log_id import LogId
from flow_core.models.instance import AvailableInstance
from flow_core.models.market import PriceSeries, Quota, TaskEvent
from flow_core.models.metrics import GpuProcess, GpuSample, MachineSample
from flow_core.models.task import TaskBid, TaskRecord, TaskStatus, VolumeMount
from flow_core.models.volume import Volume
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.contract.provider_type import ProviderType

NAME, WHERE = "fixed", "testbed.screenshot_provider"
"""For flow_core.providers.PROVIDERS."""
NOW = datetime.now(UTC)


def screenshot_config(folder: Path) -> Config:
    """Returns a config with a context without a market, and one with a market."""
    return Config(folder / "config.yaml", (Context("lab", NAME, {}), Context("cloud", NAME, {})), default="lab")


def ago(days: int = 0, hours: float = 0) -> datetime:
    """Returns the time one minute before that age: the age that is shown doesn't change for the next 59 minutes."""
    return NOW - timedelta(days=days, hours=hours, minutes=1)


LAB_TASKS = (
    TaskRecord(
        "lab",
        "task_01",
        "llama-3-70b-finetune-with-lora-rank-16-seed-3",
        TaskStatus.RUNNING,
        command="torchrun --nproc-per-node 4 finetune.py --config configs/llama-70b-lora.yaml --seed 3",
        created_at=ago(1, 3),
        started_at=ago(1, 2),
        instance_type="4xa100",
        gpu_type="a100",
        gpu_count=4,
        owner="ana",
        instances=("node-7",),
        config={"working_dir": "/home/ana/llama", "env": {"EPOCHS": "3", "WANDB_API_KEY": "x"}},
        provider_metadata={"folder": "/var/flow/0c1f4a7be21d4b0f9a6ce35d80f7a914/task_01", "pid": 4242},
        volumes=(VolumeMount("vol_1", "datasets", "/data"),),
    ),
    TaskRecord(
        "lab",
        "task_02",
        "tokenize-corpus",
        TaskStatus.COMPLETED,
        command="python tokenize.py --shards 64",
        created_at=ago(2, 5),
        started_at=ago(2, 4),
        completed_at=ago(2, 4) + timedelta(minutes=42),
        exit_code=0,
    ),
    TaskRecord(
        "lab",
        "task_03",
        "eval-mmlu",
        TaskStatus.FAILED,
        command="python eval.py --suite mmlu",
        created_at=ago(3, 1),
        started_at=ago(3, 1),
        completed_at=ago(3, 1) + timedelta(minutes=3, seconds=10),
        gpu_type="a100",
        gpu_count=1,
        exit_code=1,
    ),
    TaskRecord(
        "lab",
        "task_04",
        "sweep-lr",
        TaskStatus.PENDING,
        command="python sweep.py",
        created_at=ago(2, 2),
        gpu_type="a100",
        gpu_count=2,
        message="waiting for 2 x a100: 1 of 4 free",
    ),
)
CLOUD_TASKS = (
    TaskRecord(
        "cloud",
        "bid_01",
        "pretrain-7b",
        TaskStatus.RUNNING,
        command="torchrun --nnodes 2 pretrain.py",
        created_at=ago(1, 6),
        started_at=ago(1, 5),
        instance_type="h100-80gb.sxm.8x",
        num_instances=2,
        gpu_type="h100",
        gpu_count=8,
        region="us-central1-a",
        attempt=1,
        price_usd_per_hour=Decimal("17.60"),
        billed_usd_per_hour=Decimal("35.20"),
        cost_usd=Decimal("1030.40"),
        instances=("inst_1", "inst_2"),
        provider_metadata={
            "bid_status": "Allocated",
            "instance_status": "STATUS_RUNNING",
            "limit_price": "$22.00",
            "market_price": "$17.60",
        },
        bid=TaskBid("Allocated", Decimal("22.00"), Decimal("17.60")),
    ),
    TaskRecord(
        "cloud",
        "bid_02",
        "distill",
        TaskStatus.PAUSED,
        command="python distill.py",
        created_at=ago(4, 6),
        started_at=ago(4, 5),
        gpu_type="h100",
        gpu_count=8,
        region="eu-west1-b",
        provider_metadata={"bid_status": "Paused", "limit_price": "$20.00", "market_price": "$23.04"},
        bid=TaskBid("Paused", Decimal("20.00"), Decimal("23.04")),
    ),
)
VOLUMES = {
    "lab": (
        Volume("lab", "vol_1", "datasets", 2048, "file", attached_to=("task_01",), created_at=ago(30)),
        Volume("lab", "vol_2", "checkpoints", 100, "block", created_at=ago(9)),
    ),
    "cloud": (Volume("cloud", "vol_3", "pretrain-shards", 4096, "file", "us-central1-a", created_at=ago(12)),),
}
INSTANCES = {
    "lab": (
        AvailableInstance("lab", "n7/4xa100", "4xa100", "node-7", 0, "a100", 4, 80, 64, 512, 0, 1),
        AvailableInstance("lab", "n7/1xa100", "1xa100", "node-7", 0, "a100", 1, 80, 64, 512, 1, 4),
        AvailableInstance("lab", "n7/cpu", "cpu", "node-7", 0, cpu_count=64, memory_gb=512),
        AvailableInstance(
            "lab", "n8", "node-8", "node-8", 0, status="unreachable", description="node-8: connection refused"
        ),
    ),
    "cloud": (
        AvailableInstance("cloud", "us/8xh100", "h100-80gb.sxm.8x", "us-central1-a", 17.6, "h100", 8, 80, 208, 1800, 6),
        AvailableInstance("cloud", "eu/8xh100", "h100-80gb.sxm.8x", "eu-west1-b", 23.04, "h100", 8, 80, 208, 1800, 0),
        AvailableInstance("cloud", "us/8xa100", "a100-80gb.sxm.8x", "us-central1-a", 9.6, "a100", 8, 80, 96, 960, 12),
    ),
}
LOG = (
    "loading 4 shards\n"
    + "".join(f"step {n} loss {2.4 / (1 + n / 60):.4f} tok/s 41.{n % 10}k\n" for n in range(1, 61)),
    "warning: data loader is slow\n",
    "step 61 loss 1.1901 tok/s 41.2k\n",
)


class ScreenshotProvider(Provider):
    """One context with constant data. Nothing can be changed."""

    poll = PollIntervals(busy_s=60, idle_s=60)
    can_change = True
    has_writer_times = True

    def __init__(self, context: Context, person: object = None) -> None:
        self._context = context.name

    @property
    def _facet(self) -> Any:
        return self

    logs = instances = volumes = metrics = _facet

    @property
    def market(self) -> Any:
        return self if self._context == "cloud" else None

    async def list_tasks(self, statuses: object = None, limit: int | None = None) -> tuple[TaskRecord, ...]:
        return CLOUD_TASKS if self._context == "cloud" else LAB_TASKS

    async def get_task(self, task_id: str) -> TaskRecord:
        return next(task for task in await self.list_tasks() if task.task_id == task_id)

    async def list(self) -> tuple[Volume, ...]:
        return VOLUMES[self._context]

    async def find(self, requirements: Any) -> tuple[AvailableInstance, ...]:
        return INSTANCES[self._context]

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        return (LogId(self._context, task_id, 0, 0),)

    async def open(self, address: LogId) -> SpoolFiles:
        folder = state_dir() / "fixed"
        folder.mkdir(parents=True, exist_ok=True)
        files = SpoolFiles.at(folder / address.task_id)
        if address.task_id == LAB_TASKS[0].task_id and not files.log.exists():
            writer = SpoolWriter(files, lambda: int(NOW.timestamp() * 1e6))
            for at, text in enumerate(LOG):
                writer.append(STDERR if at % 2 else STDOUT, text.encode())
            writer.close()
        return files

    async def catch_up(self, address: LogId) -> None:
        return None

    async def is_complete(self, address: LogId) -> bool:
        return True

    async def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        gpus = tuple(
            GpuSample(n, "NVIDIA A100-SXM4-80GB", f"GPU-{n}", None, 96.0 - n, 71200 + 310 * n, 81920, 380, 400, 61 + n)
            for n in range(4)
        )
        held = tuple(GpuProcess(4242, gpu.uuid, "python finetune.py", 70900, "ana", task_id) for gpu in gpus)
        yield MachineSample(NOW, gpus, held, True, "", 41.5, 64, 211.0, 512.0)
        await asyncio.get_running_loop().create_future()  # the task still runs

    async def prices(self, hours: int = 24) -> Sequence[PriceSeries]:
        times = tuple(NOW - timedelta(hours=hour) for hour in range(24, 0, -3))
        usd = tuple(Decimal(price) for price in (15, 15, 16, 18, 20, 19, 18, 17))
        return (PriceSeries("h100-80gb.sxm.8x", "us-central1-a", times, usd),)

    async def quotas(self) -> Sequence[Quota]:
        return (Quota("H100", "Spot", "instances", 2, 10, "h100-80gb.sxm.8x"),)

    async def history(self, task_id: str) -> Sequence[TaskEvent]:
        return (TaskEvent(ago(1, 6), "Placed", "limit $22.00/h"), TaskEvent(ago(1, 5), "Running", "", "inst_1"))

    def describe_submit(self, config: Any) -> str:
        return f"POST /v2/spot/bids {config.name}"

    def describe_disclosure(self, config: Any) -> str:
        return ""

    def describe_cancel(self, task: TaskRecord) -> str:
        return f"SIGTERM to pid 4242 and every process of {task.task_id}, SIGKILL after 5 s"

    def describe_delete(self, volume: Volume) -> str:
        return f"rm -r /var/flow/volumes/{volume.volume_id}"

    def describe_set_limit(self, task: TaskRecord, limit_usd_per_hour: Decimal) -> str:
        return f"PATCH /v2/spot/bids/{task.task_id}"

    async def close(self) -> None:
        return None


PROVIDER = ProviderType(ScreenshotProvider)
