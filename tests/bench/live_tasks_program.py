"""A dashboard with many running tasks, 5 % of which change each second: `live_tasks_program.py ROWS`."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

from flow_core import providers
from flow_core.config import Config, Context
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.contract.provider import PollIntervals, Provider
from flow_core.providers.contract.provider_type import ProviderType
from flow_tui.app import FlowApp

EVERY = 20
"""One task in so many changes with each list."""


class LiveProvider(Provider):
    """Its tasks all run. Nothing can be changed."""

    poll = PollIntervals(busy_s=1.0, idle_s=1.0)
    can_change = False

    def __init__(self, context: Context, person: object = None) -> None:
        now = datetime.now(UTC)
        self._is_odd = False
        self._tasks = [
            TaskRecord(
                context.name,
                f"task_{number:06}",
                f"train-{number:06}",
                TaskStatus.RUNNING,
                command=f"python train.py --seed {number}",
                created_at=now - timedelta(seconds=number),
                started_at=now - timedelta(seconds=number),
                owner="ana",
            )
            for number in range(int(context.settings["rows"]))
        ]
        changing = self._tasks[::EVERY]  # made before, so that a list costs what is measured and no more
        self._versions = [[replace(task, message=f"step {step}") for task in changing] for step in (1, 2)]

    async def list_tasks(self, statuses: object = None, limit: int | None = None) -> tuple[TaskRecord, ...]:
        self._is_odd = not self._is_odd
        self._tasks[::EVERY] = self._versions[self._is_odd]
        return tuple(self._tasks[:limit])

    async def get_task(self, task_id: str) -> TaskRecord:
        return self._tasks[int(task_id.removeprefix("task_"))]

    async def close(self) -> None:
        return None


def main(rows: int) -> None:
    module = ModuleType("live_tasks")
    module.PROVIDER = ProviderType(LiveProvider)  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    providers.PROVIDERS["live"] = module.__name__
    with tempfile.TemporaryDirectory() as folder:
        config = Config(Path(folder) / "config.yaml", (Context("live", "live", {"rows": rows}),), default="live")
        FlowApp(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
