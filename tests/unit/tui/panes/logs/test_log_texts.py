"""The texts around a log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from testbed.tables import each

from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.panes.logs.log_texts import describe_border, describe_silence, explain_empty

TASK = TaskRecord("local", "task_a", "train", TaskStatus.RUNNING)


@each(
    "seconds, expected",
    [
        (0, ""),
        (59, ""),
        (-100, ""),
        (60, "no line for 1 min"),
        (14 * 60 + 30, "no line for 14 min"),
        (119 * 60, "no line for 119 min"),
        (7200, "no line for 2 h"),
        (90_000, "no line for 25 h"),
    ],
)
def test_a_silence_of_a_minute_or_more_is_said(seconds: float, expected: str) -> None:
    assert describe_silence(seconds) == expected


def test_the_border_says_since_when_a_running_task_is_silent() -> None:
    last = datetime.now(UTC) - timedelta(minutes=14, seconds=5)
    assert describe_border(TASK, last, "", 3) == "no line for 14 min  3 lines"
    assert describe_border(TASK, last, "2026-01-02", 1) == "no line for 14 min  2026-01-02  1 line"
    assert describe_border(TASK, None, "", None) == ""
    assert describe_border(replace(TASK, status=TaskStatus.COMPLETED), last, "", 1234) == "1,234 lines"


def test_an_empty_log_is_explained() -> None:
    begun = datetime.now(UTC) - timedelta(minutes=5, seconds=5)
    assert explain_empty(TASK) == "No output yet."
    assert explain_empty(replace(TASK, started_at=begun)) == "No output yet: the task runs, no line for 5 min."
    pending = replace(TASK, status=TaskStatus.PENDING, message="waits for 1 GPU")
    assert explain_empty(pending) == "waits for 1 GPU"
