"""The form for a new time limit of a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual.widget import Widget

from flow_core.errors import ConfigError
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.dialogs.dialog import Fact, measure_labels
from flow_tui.dialogs.field import Field, LineInput
from flow_tui.dialogs.form import Form
from flow_tui.dialogs.submit.form_to_config import parse_hours


class TimeLimitForm(Form[float]):
    """A form for the longest run time of a task, from its start. It returns hours and changes nothing."""

    SEND: ClassVar[str] = "Change…"
    SENDING: ClassVar[str] = "…"
    FIELD_OF: ClassVar[Mapping[str, str]] = {"max_run_time_hours": "hours"}

    def __init__(self, task: TaskRecord) -> None:
        super().__init__(f"Time limit of {task.name}")
        self._record = task

    def make_fields(self) -> Iterable[Field]:
        yield Field("hours", "time limit", LineInput("", placeholder="hours from its start, such as 12, or 90m, or 2d"))

    def compose_body(self) -> Iterable[Widget]:
        known = {
            "current limit": format.time_limit(self._record) or "none",
            "run time": format.ran_for(self._record),
        }
        for label, value in known.items():
            yield Fact(label, value, width=measure_labels(known))
        yield from super().compose_body()

    async def send(self, entered: Mapping[str, str]) -> float:
        hours = parse_hours(entered["hours"])
        if not hours:
            raise ConfigError("max_run_time_hours: enter a time above 0", field="max_run_time_hours")
        return hours
