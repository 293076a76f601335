"""The part of Flow for single files and machines of tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flow_core.client.flow import AsyncFlow
from flow_core.sync.copy_docstring import copy_docstring
from flow_core.sync.loop_thread import run_sync

if TYPE_CHECKING:
    from flow_core.models.instance import Instance


class FlowFiles:
    """Files into tasks and back, and the machines that tasks have."""

    _flow: AsyncFlow

    @copy_docstring(AsyncFlow.put_file)
    def put_file(self, task_id: str, source: Path | str, target: str, *, node: int = 0) -> None:
        run_sync(self._flow.put_file(task_id, source, target, node=node))

    @copy_docstring(AsyncFlow.get_file)
    def get_file(self, task_id: str, source: str, target: Path | str, *, node: int = 0) -> Path:
        return run_sync(self._flow.get_file(task_id, source, target, node=node))

    @copy_docstring(AsyncFlow.get_task_instances)
    def get_task_instances(self, task_id: str) -> list[Instance]:
        return run_sync(self._flow.get_task_instances(task_id))
