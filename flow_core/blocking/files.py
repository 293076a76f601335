"""The part of Flow for single files and machines of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flow_core._loop import call
from flow_core.blocking.words import same_as
from flow_core.client.flow import AsyncFlow

if TYPE_CHECKING:
    from flow_core.models.instance import Instance


class FlowFiles:
    """Files into tasks and back, and the machines that tasks have."""

    _flow: AsyncFlow

    @same_as(AsyncFlow.put_file)
    def put_file(self, task_id: str, source: Path | str, target: str, *, node: int = 0) -> None:
        call(self._flow.put_file(task_id, source, target, node=node))

    @same_as(AsyncFlow.get_file)
    def get_file(self, task_id: str, source: str, target: Path | str, *, node: int = 0) -> Path:
        return call(self._flow.get_file(task_id, source, target, node=node))

    @same_as(AsyncFlow.get_task_instances)
    def get_task_instances(self, task_id: str) -> list[Instance]:
        return call(self._flow.get_task_instances(task_id))
