"""The fields of tasks in filters. The first name of a field is that of its column."""

from __future__ import annotations

from flow_core.filters.amounts import parse_duration_s, parse_number
from flow_core.filters.row_filter import AmountField, FilterField, TextField
from flow_core.filters.task_words import describe_gpus, describe_reason, get_age_s, get_run_time_s
from flow_core.models.task import TaskRecord


def _read_gpu(task: TaskRecord) -> str:
    return f"{task.gpu_type or 'gpu'}\n{describe_gpus(task)}" if task.gpu_count else ""


def _read_price(task: TaskRecord) -> float | None:
    return None if task.billed_usd_per_hour is None else float(task.billed_usd_per_hour)


TASK_FIELDS: tuple[FilterField[TaskRecord], ...] = (
    TextField(("name",), lambda task: task.name),
    TextField(("id",), lambda task: task.task_id),
    TextField(("state", "status"), lambda task: task.status.value),
    TextField(("context",), lambda task: task.context),
    TextField(("gpu",), _read_gpu),
    TextField(("command",), lambda task: task.command),
    TextField(("owner",), lambda task: task.owner),
    TextField(("reason", "note"), describe_reason),
    AmountField(("age",), get_age_s, parse_duration_s),
    AmountField(("time",), get_run_time_s, parse_duration_s),
    AmountField(("price",), _read_price, parse_number),
)
