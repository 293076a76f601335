"""The texts around the log of a task: why there is no output, and since when none came."""

from __future__ import annotations

from datetime import UTC, datetime

from flow_core.filters.task_words import describe_message, get_run_time_s
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.widgets.log import LogView


def describe_title(task: TaskRecord, view: LogView, logs: str) -> str:
    """Returns the upper edge of the pane: the task, which of its logs are shown, and how. `logs` may be empty."""
    mode = "selecting lines" if view.selector.is_line_mode else "following" if view.following else "not following"
    words = ["Log", escape_controls(task.name), logs, mode]
    words += [view.stream_name] if view.stream is not None else []
    words += ["all redraws"] if view.expands_redraws else []
    return "  ".join(filter(None, words))


def describe_border(task: TaskRecord, last: datetime | None, date: str, lines: int | None) -> str:
    """Returns the lower edge of the pane.

    It says since when a running task has written nothing, the date of the first line in view, and the number of lines.
    `last` is when the last bytes were written.
    """
    silent_s = (datetime.now(UTC) - last).total_seconds() if last and task.status is TaskStatus.RUNNING else 0.0
    count = "" if lines is None else f"{lines:,} {'line' if lines == 1 else 'lines'}"
    return "  ".join(filter(None, (describe_silence(silent_s), date, count)))


def describe_silence(seconds: float) -> str:
    """Returns how long no line came, if that is a minute or more; else ""."""
    if seconds < 60:
        return ""
    minutes = int(seconds // 60)
    return f"no line for {minutes} min" if minutes < 120 else f"no line for {minutes // 60} h"


def explain_empty(task: TaskRecord) -> str:
    """Returns why there is no output: what a pending task waits for, if the provider knows it."""
    if task.status is TaskStatus.RUNNING and (silence := describe_silence(get_run_time_s(task) or 0)):
        return f"No output yet: the task runs, {silence}."
    return (describe_message(task) if task.status is TaskStatus.PENDING else "") or "No output yet."


def explain_merged(task: TaskRecord) -> str:
    return f"stdout and stderr are merged: the task was submitted with {task.merged_by}" if task.merged_by else ""
