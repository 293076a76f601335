"""Folders of tasks as an agent leaves them, without any process; and what a reader must find in them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from testbed.specs import task_spec

from flow_core.agent.ids import is_task_id
from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.spec import GpuPlan
from flow_core.agent.task_reader import TaskReader
from flow_core.agent.task_report import TaskReport
from flow_core.agent.task_state import TaskState

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class TaskFolders:
    """The folders of one context. `long_ago` makes the next state of the folder of tasks look older than any race."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root, "lab")
        make_private_folder(self.layout.tasks)
        self._seq = 0
        self._age_ns = 10**18

    def skip(self, count: int) -> None:
        """Leaves out numbers, so that several programs can create tasks in one context."""
        self._seq += count

    def submit(self, task_id: str = "", **fields: Any) -> str:
        """Creates a task that this process is submitting: as long as it lives, the task is pending."""
        self._seq += 1
        task_id = task_id or make_task_id(self._seq)
        staging = self.layout.tasks / f".new-{task_id}"
        staging.mkdir(mode=0o700)
        spec = task_spec(**{"seq": self._seq, "submitter": ProcessIdentity.current(), "gpus": GpuPlan(), **fields})
        spec.write(staging / "spec.json")
        staging.rename(self.layout.task(task_id).path)
        return task_id

    def set_state(self, task_id: str, status: str, **fields: Any) -> None:
        """Writes a state as the supervisor does, which is this process."""
        state = TaskState()
        state.status, state.supervisor, state.started_at = status, ProcessIdentity.current(), 2.0
        for name, value in fields.items():
            setattr(state, name, value)
        state.write(self.layout.task(task_id).state)

    def write_ended(self, count: int) -> list[str]:
        """Creates many ended tasks, fast."""
        task_ids = [self.submit()]
        self.set_state(task_ids[0], "completed", exit_code=0, completed_at=3.0)
        folder = self.layout.task(task_ids[0])
        spec, state = json.loads(folder.spec.read_text()), folder.state.read_bytes()
        for _ in range(count - 1):
            self._seq += 1
            task_ids.append(make_task_id(self._seq))
            copy = self.layout.task(task_ids[-1])
            copy.path.mkdir(mode=0o700)
            copy.spec.write_text(json.dumps({**spec, "seq": self._seq}))
            copy.state.write_bytes(state)
        return task_ids

    def remove(self, task_id: str) -> None:
        path = self.layout.task(task_id).path
        trash = path.with_name(f".deleted-{task_id}")
        path.rename(trash)
        shutil.rmtree(trash)

    def long_ago(self) -> None:
        self._age_ns += 10**9
        os.utime(self.layout.tasks, ns=(self._age_ns, self._age_ns))

    def read_all(self) -> dict[str, TaskReport]:
        """Reads every folder anew: the model of a store."""
        found = ((name, _read(self.layout, name)) for name in os.listdir(self.layout.tasks) if is_task_id(name))
        return {name: report for name, report in found if report is not None}


def make_task_id(number: int) -> str:
    return "task_" + "".join(_LETTERS[number >> 5 * place & 31] for place in range(10))


def _read(layout: Layout, task_id: str) -> TaskReport | None:
    task = TaskReader(layout, lambda: None).load(task_id)
    return None if task is None else task.report
