"""The tasks of a context, as the agent returns them."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.task_state import TaskState
from flow_core.agent.tasks import NO_TASK, TaskStore
from flow_core.errors import NotFound
from flow_core.providers.local.tasks import LocalTasks
from flow_core.providers.over_agent.refusals import to_error

TASK_ID = "task_aaaaaaaaaa"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a context with one ended task."""
    layout = Layout(tmp_path / "machine", "lab")
    task = layout.task(TASK_ID)
    make_private_folder(task.path)
    spec = {"name": "one", "command_line": "true", "mark": "m", "working_dir": "/", "seq": 1, "created_at": 1.0}
    write_json(task.spec, {**spec, "gpus": {}})
    _end(layout, 1)
    return layout


def _end(layout: Layout, exit_code: int) -> None:
    state = TaskState()
    state.status, state.exit_code = "failed", exit_code
    state.write(layout.task(TASK_ID).state)


def test_an_unchanged_task_is_the_same_object_again_also_as_a_record(layout):
    tasks = LocalTasks(layout, "here")
    listed, stored = tasks.list_records(), tasks.get(TASK_ID)
    assert tasks.get(TASK_ID) is stored
    assert tasks.list_records() is listed
    assert tasks.record(TASK_ID) is listed[0]


def test_an_edited_record_of_an_ended_task_is_noticed_when_it_is_fetched_and_by_the_next_process(layout):
    tasks = LocalTasks(layout, "here")
    assert tasks.list_records()[0].exit_code == 1
    _end(layout, 2)
    assert LocalTasks(layout, "here").list_records()[0].exit_code == 2
    _end(layout, 3)
    assert tasks.record(TASK_ID).exit_code == 3
    assert tasks.list_records()[0].exit_code == 3


def test_progress_is_reported_for_each_task_that_is_read(layout):
    steps: list[None] = []
    TaskStore(layout, lambda: steps.append(None)).list_all()
    assert len(steps) == 1


@pytest.mark.parametrize("task_id", ["task_bbbbbbbbbb", "../other", "x\n" * 50])
def test_an_unknown_task_is_refused_with_a_sentence(layout, task_id):
    for lookup in (TaskStore(layout).get, TaskStore(layout).get_folder):
        with pytest.raises(Refused) as refused:
            lookup(task_id)
        assert refused.value.code == NO_TASK
        error = to_error(refused.value)
        assert isinstance(error, NotFound)
        assert str(error) == f"no task {task_id[:40]!r} in context 'lab'"
