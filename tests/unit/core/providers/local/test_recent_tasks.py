"""The last tasks of this machine, with those that have not ended."""

from __future__ import annotations

from pathlib import Path

from testbed.task_folders import TaskFolders

from flow_core.models.task import TaskStatus
from flow_core.providers.local.tasks import LocalTasks


def test_a_task_that_runs_is_listed_however_many_ended_after_it(tmp_path: Path) -> None:
    folders = TaskFolders(tmp_path)
    old = folders.submit()
    folders.set_state(old, "running")
    ended = folders.write_ended(30)
    tasks = LocalTasks(folders.layout, "here")
    recent = tasks.list_recent(10)
    assert [task.task_id for task in recent] == [*ended[:-11:-1], old]
    assert (recent[-1].status, recent.total) == (TaskStatus.RUNNING, 31)
    assert tasks.list_recent(10) is recent
    assert len(tasks.list_recent(40)) == 31
    folders.set_state(old, "failed", exit_code=1, completed_at=4.0)
    after = tasks.list_recent(10)
    assert ([task.task_id for task in after], after.total) == (ended[:-11:-1], 31)
