"""The elements of an array, in the table and in the detail."""

from __future__ import annotations

import re
from typing import Any

from testbed.bare_services import KEYS
from testbed.fixed_cluster import make_elements
from testbed.tables import each

from flow_core.filters.task_words import count_states
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus
from flow_tui.panes.tasks.detail import TaskDetail
from flow_tui.panes.tasks.elements import build_state_cells
from flow_tui.panes.tasks.facts import collect_facts

DONE, RUNS, WAITS, FAILED = TaskStatus.COMPLETED, TaskStatus.RUNNING, TaskStatus.PENDING, TaskStatus.FAILED


def sweep(*elements: ArrayElement) -> TaskRecord:
    return TaskRecord("cluster", "4711", "sweep", TaskStatus.RUNNING, elements=elements)


@each(
    ("states", "shown"),
    [
        ([DONE, RUNS, WAITS], "● 1/3 ✔●◌"),
        ([DONE] * 9 + [FAILED], "● 10/10 ✔✔✔✔✔✔✔✔✔✖"),
        ([DONE] * 20 + [WAITS] * 10, "● 20/30 ✔✔✔✔✔✔◌◌◌◌"),
        ([DONE] * 999 + [FAILED], "● 1000/1000 ✔✔✔✔✔✔✔✔✔✖"),
        ([RUNS] + [DONE] * 999, "● 999/1000 ●✔✔✔✔✔✔✔✔✔"),
    ],
)
def test_a_strip_shows_what_matters_most_of_each_part(states: list[TaskStatus], shown: str) -> None:
    cells = build_state_cells(sweep(*make_elements(*states)))
    assert "".join(cell.text for cell in cells) == shown
    assert len(shown) <= 24


def test_each_state_of_a_strip_has_its_colour() -> None:
    cells = build_state_cells(sweep(*make_elements(DONE, DONE, FAILED, WAITS)))
    assert [(cell.text, cell.style) for cell in cells[1:]] == [
        ("✔✔", "status-completed"),
        ("✖", "status-failed"),
        ("◌", "status-pending"),
    ]


def test_the_states_are_counted_with_what_failed_first() -> None:
    assert count_states(sweep(*make_elements(DONE, RUNS, WAITS, WAITS, FAILED))) == (
        "1 failed, 1 running, 2 pending, 1 completed"
    )
    assert count_states(sweep()) == ""


def facts(task: TaskRecord) -> dict[str, str]:
    return {row.label: row.value for row in collect_facts(task, KEYS) if row.section == "Elements"}


def test_each_element_is_shown_with_its_index_and_each_that_failed_with_its_exit_code() -> None:
    failed = (ArrayElement(26, FAILED, 137), ArrayElement(27, FAILED), ArrayElement(40, FAILED, 3))
    known = facts(sweep(*make_elements(*[DONE] * 12, *[RUNS] * 14), *failed))
    assert known == {
        "states": "✖ failed 3  ● running 14  ✔ completed 12",
        "failed": "26: exit 137 (SIGKILL), 27, 40: exit 3",
        "0-19": "✔✔✔✔✔✔✔✔✔✔ ✔✔●●●●●●●●",
        "20-40": "●●●●●●✖✖✖",
    }
    assert facts(sweep()) == {}


def test_an_array_of_many_thousands_is_cut_with_a_word_about_it() -> None:
    known = facts(sweep(*make_elements(*[FAILED] * 5_000)))
    assert known["more"] == "3,000 more elements are not shown"
    assert known["failed"].endswith("49: exit 3, and 4,950 more")
    assert len(known) == 103


async def test_the_detail_of_an_array_can_be_read_at_any_size(ask: Any) -> None:
    for size in ((120, 36), (80, 24), (60, 15)):
        async with ask(TaskDetail(sweep(*make_elements(*[DONE] * 24, FAILED)), KEYS), size=size) as question:
            await question.press("pagedown")
            await question.press("reader.top")
            assert re.search(r"0-19 +✔{10} ✔{10}", question.text), question.text
            assert "24: exit 3" in question.text
