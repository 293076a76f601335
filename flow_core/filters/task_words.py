"""Facts about a task in words, as tables, filters and scripts show them. No side effects."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from flow_core.models.task import TaskRecord, TaskStatus

# Where one state stands for several, it is the first of these.
NOTABLE_FIRST = (
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
    TaskStatus.PREEMPTING,
    TaskStatus.RUNNING,
    TaskStatus.PAUSED,
    TaskStatus.PENDING,
    TaskStatus.COMPLETED,
)


def describe_gpus(task: TaskRecord) -> str:
    """Describes the GPUs of a task: "2xA100"; "-" for a task without GPUs."""
    return f"{task.gpu_count}x{(task.gpu_type or 'gpu').upper()}" if task.gpu_count else "-"


def describe_message(task: TaskRecord) -> str:
    """Describes what the status doesn't tell: why the task waits, or how it ended; may be empty."""
    if task.message:
        return task.message.removeprefix(f"{task.status.value}, ")
    return f"exit {task.exit_code}" if task.exit_code else ""


def describe_reason(task: TaskRecord) -> str:
    """Describes the states of an array's elements, and what the status doesn't tell; may be empty."""
    return ": ".join(filter(None, (count_states(task), describe_message(task))))


def count_states(task: TaskRecord) -> str:
    """Returns the number of elements in each state: "2 failed, 5 running, 23 pending"; "" for a task without any."""
    counts = Counter(element.status for element in task.elements)
    return ", ".join(f"{counts[status]} {status.value}" for status in NOTABLE_FIRST if counts[status])


def get_run_time_s(task: TaskRecord, now: datetime | None = None) -> float | None:
    """Returns how long the task has run, or ran, in seconds; None if it has not started."""
    if task.started_at is None:
        return None
    return ((task.completed_at or now or datetime.now(UTC)) - task.started_at).total_seconds()


def get_age_s(task: TaskRecord) -> float | None:
    """Returns how long ago the task was submitted, in seconds; None if it is unknown."""
    return None if task.created_at is None else (datetime.now(UTC) - task.created_at).total_seconds()
