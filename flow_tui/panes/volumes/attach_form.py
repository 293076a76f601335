"""The form that attaches a volume to a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from textual.widget import Widget
from textual.widgets import Static

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.dialogs.field import Field, LineInput, PickList
from flow_tui.dialogs.form import Form

Attach = Callable[[TaskRecord, str | None], Awaitable[str]]
"""(task, mount path or None for the provider's default) -> the mount path."""


ConfirmAttach = Callable[[TaskRecord, str | None], Awaitable[None]]
"""(task, mount path or None); raises FlowError if the user refuses."""


class AttachForm(Form[str]):
    """A form for the task that gets the volume, and the path. It attaches and answers the path; None if closed."""

    SEND: ClassVar[str] = "Attach"
    SENDING: ClassVar[str] = "attaching…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {"task": "task", "task_id": "task", "mount_path": "mount_path"}

    def __init__(
        self, volume: str, tasks: Sequence[TaskRecord], attach: Attach, confirm: ConfirmAttach | None = None
    ) -> None:
        super().__init__(f"Attach {volume}")
        self._volume = volume
        self._tasks = {str(number): task for number, task in enumerate(tasks)}
        self._attach_volume = attach
        self._confirm = confirm

    def compose_body(self) -> Iterable[Widget]:
        if not self._tasks:
            yield Static("This context has no unfinished task.", markup=False)
        yield from self.make_fields()

    def make_fields(self) -> Iterable[Field]:
        rows = [(key, _format_task(task)) for key, task in self._tasks.items()]
        yield Field("task", "task", PickList(rows))
        yield Field("mount_path", "path", LineInput("", placeholder=f"mount path; default: /volumes/{self._volume}"))

    async def confirm(self, entered: Mapping[str, str]) -> None:
        if self._confirm is not None:
            await self._confirm(*await self._read(entered))

    async def send(self, entered: Mapping[str, str]) -> str:
        return await self._attach_volume(*await self._read(entered))

    async def _read(self, entered: Mapping[str, str]) -> tuple[TaskRecord, str | None]:
        task = self._tasks.get(entered["task"])
        if task is None:
            raise ConfigError("there is no task to attach the volume to", field="task")
        path = entered["mount_path"].strip() or None
        if path is not None:
            await asyncio.to_thread(_check_path, path)
        return task, path


def _format_task(task: TaskRecord) -> str:
    return f"{format.state(task)}  {task.name}  {task.task_id}"


def _check_path(path: str) -> None:
    from flow_core.models.task_config import VolumeSpec  # lazy import: loads pydantic

    VolumeSpec.parse({"volume_id": "any", "mount_path": path})
