"""The other tasks whose logs can be compared or merged with those of a task."""

from __future__ import annotations

from datetime import UTC, datetime

from flow_core.models.task import TaskRecord
from flow_tui import format

_MOST_TASKS = 200
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def list_candidates(task: TaskRecord, tasks: tuple[TaskRecord, ...]) -> list[TaskRecord]:
    """Returns the newest other tasks, at most 200; first those of the same name."""
    others = [one for one in tasks if one.key != task.key and (one.started_at or one.completed_at)]
    others.sort(key=lambda one: one.created_at or _LONG_AGO, reverse=True)
    name = _get_submitted_name(task)
    return sorted(others, key=lambda one: _get_submitted_name(one) != name)[:_MOST_TASKS]


def describe_candidate(task: TaskRecord) -> str:
    """Describes a task in a list: when it was made, its state and its context."""
    when = "" if task.created_at is None else f"{task.created_at.astimezone():%Y-%m-%d %H:%M}"
    return f"{when}  {format.state(task)}  {task.context}"


def _get_submitted_name(task: TaskRecord) -> str:
    """Returns the name without what a provider added to make it unique."""
    return str(task.config.get("name") or task.name)
