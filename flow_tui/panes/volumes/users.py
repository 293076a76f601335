"""Who uses a volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flow_core.models.volume import Volume


def users_of(volume: Volume, name_of: Callable[[tuple[str, str]], str | None]) -> str:
    """The tasks that hold a volume. `name_of` returns a task's name by (context, id), None where it isn't listed."""
    return ", ".join(name_of((volume.context, task_id)) or task_id for task_id in volume.attached_to)
