"""The completion of filters."""

from __future__ import annotations

from testbed.tables import each

from flow_core.filters.completion import complete_filter
from flow_core.filters.task_fields import TASK_FIELDS
from flow_core.models.task import TaskRecord, TaskStatus

ROWS = [
    TaskRecord("lab", "task_1", "train a", TaskStatus.FAILED, gpu_type="a100", gpu_count=2),
    TaskRecord("lab", "task_2", "train-b", TaskStatus.FAILED),
    TaskRecord("local", "task_3", "eval", TaskStatus.RUNNING),
]


@each(
    ("text", "expected"),
    [
        ("", []),
        ("sta", ["state:"]),
        ("train sta", ["train state:"]),
        ("!sta", ["!state:"]),
        ("state:", ["state:failed", "state:running"]),
        ("status:r", ["status:running"]),
        ("state:failed,", ["state:failed,failed", "state:failed,running"]),
        ("state:failed ", []),
        ("name:", ["name:train-b", "name:eval"]),
        ("gpu:", ["gpu:a100", "gpu:2xa100"]),
        ("age:", ["age:<", "age:>"]),
        ("age:<", []),
        ("name~tr", []),
        ('"sta', []),
        ("colour:", []),
    ],
)
def test_the_last_word_is_continued(text: str, expected: list[str]) -> None:
    assert complete_filter(text, TASK_FIELDS, ROWS) == expected
