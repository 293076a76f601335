"""The form that starts a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from flow_core.errors import ConfigError
from flow_tui.screens.field import Choice, Field, Line, Lines
from flow_tui.screens.form import Form
from flow_tui.screens.submit_fields import task_config

if TYPE_CHECKING:
    from flow_core.client import AsyncTask
    from flow_core.models.spec import TaskConfig

Submit = Callable[[str, "TaskConfig"], Awaitable["AsyncTask"]]
"""(context name, config) -> the task."""


class SubmitForm(Form["AsyncTask"]):
    """Asks for a task and submits it; None when closed, and then `draft` holds what was typed.

    `preset` and `draft` fill fields by key: name, command, context, gpu, env, volumes, working_dir,
    max_run_hours, rest (shown only when given: a JSON table of TaskConfig fields that have no place here).
    A preset wins over a draft.
    """

    FIELD_OF: ClassVar[Mapping[str, str]] = {
        "name": "name",
        "command": "command",
        "context": "context",
        "gpu": "gpu",
        "instance_type": "gpu",
        "gpu_type": "gpu",
        "gpu_count": "gpu",
        "min_gpu_memory_gb": "gpu",
        "env": "env",
        "volumes": "volumes",
        "working_dir": "working_dir",
        "max_run_time_hours": "max_run_hours",
        "rest": "rest",
        "data_mounts": "rest",
        "max_price_per_hour": "rest",
        "region": "rest",
        "num_instances": "rest",
        "priority": "rest",
        "provider_options": "rest",
    }

    def __init__(
        self,
        contexts: Sequence[str],
        submit: Submit,
        *,
        preset: Mapping[str, str] | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__("New task")
        self._contexts = contexts
        self._submit = submit
        self._filled = {"gpu": "cpu"} | dict(draft or {}) | dict(preset or {})

    def fields(self) -> Iterable[Field]:
        filled = self._filled.get
        yield Field("name", "name", Line(filled("name", ""), placeholder="made up when empty"))
        command = Lines(filled("command", ""), placeholder="a shell command or script", classes="-command")
        yield Field("command", "command", command)
        yield Field("context", "context", Choice(self._contexts, filled("context", "")))
        yield Field("gpu", "GPU", Line(filled("gpu", ""), placeholder="a100, 4xa100, gpu:40gb or cpu"))
        env = Lines(filled("env", ""), placeholder="NAME=value, one a line", classes="-env")
        yield Field("env", "env", env)
        volumes = Line(filled("volumes", ""), placeholder="data:/data, new:/ckpt:100 (GB makes it)")
        yield Field("volumes", "volumes", volumes)
        yield Field("working_dir", "directory", Line(filled("working_dir", ""), placeholder="where it starts"))
        hours = Line(filled("max_run_hours", ""), placeholder="hours, or 90m, 2d; empty for no limit")
        yield Field("max_run_hours", "max run", hours)
        if rest := filled("rest", ""):
            yield Field("rest", "also", Line(rest))

    async def send(self, entered: Mapping[str, str]) -> AsyncTask:
        if not entered["context"]:
            raise ConfigError("no context is configured", field="context")
        config = await asyncio.to_thread(task_config, entered)  # the first time loads pydantic
        return await self._submit(entered["context"], config)
