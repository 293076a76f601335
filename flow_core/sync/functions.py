"""Functions of the package that work in the default context, without a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.sync.flow import Flow
from flow_core.sync.task import Task

if TYPE_CHECKING:
    from flow_core.models.flow_ir import TaskSpec
    from flow_core.models.task_config import TaskConfig
    from flow_core.models.volume import Volume, VolumeInterface


def run(
    task: TaskConfig | TaskSpec | str | list[str] | Path | None = None,
    wait: bool = False,
    mounts: str | dict[str, str] | None = None,
    **fields: Any,
) -> Task:
    """Submits a TaskConfig, a task file, or a command with further fields, in the default context.

    `wait` returns once it runs (or has ended). See `Flow.run`.
    """
    return Flow().run(task, wait, mounts, **fields)


def log_stream(task_id: str, stderr: bool = False, *, attempt: int | None = None, rank: int = 0) -> Iterator[str]:
    """Yields every line of a task's log until it is complete, in the default context. See `Flow.log_stream`."""
    return Flow().log_stream(task_id, stderr, attempt=attempt, rank=rank)


def create_volume(
    size_gb: int, name: str | None = None, interface: VolumeInterface = "block", region: str | None = None
) -> Volume:
    """Creates a volume in the default context. See `Flow.create_volume`."""
    return Flow().create_volume(size_gb, name, interface, region)
