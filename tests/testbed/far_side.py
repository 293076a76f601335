"""What takes the submissions of a form, where no provider is needed."""

from __future__ import annotations

from flow_core.client.flow import AsyncFlow
from flow_core.client.task import AsyncTask
from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig

CONTEXTS = ("local", "lab", "mithril")


class FarSide:
    """Takes submissions; refuses the first ones with what it was given."""

    def __init__(self, *refusals: FlowError) -> None:
        self.refusals = list(refusals)
        self.taken: list[tuple[str, TaskConfig]] = []

    async def submit(self, context: str, config: TaskConfig) -> AsyncTask:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append((context, config))
        record = TaskRecord(context, "task_1", config.name, TaskStatus.PENDING)
        return AsyncTask(record, AsyncFlow("local"))
