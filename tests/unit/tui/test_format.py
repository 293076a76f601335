"""Models as words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from testbed.tables import each

from flow_core.filters.task_words import describe_message
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui import format

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@each(
    ("seconds", "text"),
    [(None, "-"), (-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"),
     (90_000, "1d1h")],
)  # fmt: skip
def test_a_duration_has_at_most_two_units(seconds: float | None, text: str) -> None:
    assert format.duration(seconds) == text


def test_a_moment_in_the_future_counts_as_now() -> None:
    assert format.age(NOW + timedelta(hours=1), NOW) == "0s"


def test_a_task_that_ended_has_stopped_its_clock() -> None:
    started, ended = NOW - timedelta(minutes=5), NOW - timedelta(minutes=3)
    task = TaskRecord("local", "t", "t", TaskStatus.FAILED, started_at=started, completed_at=ended)
    assert format.ran_for(task, NOW) == "2m00s"


def test_every_status_has_a_glyph_and_its_word() -> None:
    shown = {format.state(TaskRecord("local", "t", "t", status)) for status in TaskStatus}
    assert len(shown) == len(TaskStatus)
    assert all(any(status.value in text for text in shown) for status in TaskStatus)


def test_the_exit_code_is_said_where_there_is_no_message() -> None:
    assert describe_message(TaskRecord("local", "t", "t", TaskStatus.FAILED, exit_code=3)) == "exit 3"
