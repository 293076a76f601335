"""Two versions of this program, one of which knows more, share one machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.waiting import DEADLINE_S

import flow_core
from flow_core.models.task import TaskStatus

NEWER = "written by a newer version of flow; update this one"
MORE_WORDS = {
    "agent/state.py": {
        'status: str = "pending"': 'status: str = "pending"\n    phase: str = "warming up"',
        'FINAL | {"pending", "running"}': 'FINAL | {"pending", "running", "computing"}',
    },
    "agent/supervisor/starting.py": {
        'state.status, state.message = "running",': 'state.status, state.message = "computing",'
    },
    "agent/capacity/leases.py": {'"task": task.name_in_records}': '"task": task.name_in_records, "share": 1.0}'},
    "agent/capacity/queue.py": {'"seq": self.seq,': '"seq": self.seq, "weight": 7,'},
    "providers/task_records.py": {
        "TaskStatus(report.status)": 'TaskStatus("running" if report.status == "computing" else report.status)'
    },
}
NEXT_VERSION = {"agent/records.py": {"VERSION = 1\n": "VERSION = 2\n"}}
CODE = """
import sys
from flow_core import Flow
from flow_core.config import Context
with Flow(Context("local", "local")) as flow:
    print(*eval(sys.argv[1]))
"""


class Newer:
    """The other version, in a process of its own for each call."""

    def __init__(self, home: Path, changes: dict[str, dict[str, str]]) -> None:
        self._home = home
        source = Path(flow_core.__file__).parent
        shutil.copytree(source, home / "flow_core", ignore=shutil.ignore_patterns("__pycache__"))
        for name, replaced in changes.items():
            path = home / "flow_core" / name
            text = path.read_text(encoding="utf-8")
            for old, new in replaced.items():
                assert text.count(old) == 1, (name, old)
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")

    def __call__(self, expression: str) -> list[str]:
        env = {**os.environ, "PYTHONPATH": str(self._home)}
        command = [sys.executable, "-c", CODE, expression]
        ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    def submit(self, command: str, gpus: int) -> str:
        (task_id,) = self(f"[flow.submit({command!r}, instance_type='a100:{gpus}').task_id]")
        return task_id

    def statuses(self) -> dict[str, str]:
        found = self("[f'{task.task_id}={task.status}' for task in flow.list_tasks(limit=99)]")
        return dict(one.split("=") for one in found)


@pytest.fixture(params=[MORE_WORDS, NEXT_VERSION], ids=["more words", "next version"])
def newer(request: pytest.FixtureRequest, tmp_path: Path, machine: Any) -> Newer:
    return Newer(tmp_path / "newer", request.param)


async def test_they_wait_in_one_line_and_no_gpu_is_had_twice(machine, newer):
    theirs = await machine.provider.get_task(newer.submit("sleep 1000", 2))
    await machine.until_task(theirs, lambda now: now.is_running)
    ours = await machine.submit("sleep 1000", instance_type="a100:2")
    await machine.until_task(ours, lambda now: "0 of 2 free" in now.message)
    last = await machine.provider.get_task(newer.submit("sleep 1000", 2))
    await machine.until_task(last, lambda now: "1 task ahead" in now.message)

    seen = await machine.open("local").get_task(theirs.task_id)
    assert (seen.status, NEWER in seen.message, seen.exit_code) == (TaskStatus.RUNNING, True, None)
    assert seen.provider_metadata["gpus"] == ("pretend-a100-0", "pretend-a100-1")
    assert all(one.free_gpus in (0, None) for one in await machine.provider.instances.find({}))
    done = await machine.provider.remote.run(theirs.task_id, "echo $FLOW_TASK_ID")
    assert done.stdout.decode() == f"{theirs.task_id}\n"

    await machine.provider.cancel_task(theirs.task_id)
    assert (await machine.ended(theirs)).status is TaskStatus.CANCELLED
    assert (await machine.running(ours)).status is TaskStatus.RUNNING
    assert newer.statuses() == {theirs.task_id: "cancelled", ours.task_id: "running", last.task_id: "pending"}
    newer(f"[flow.cancel({ours.task_id!r})]")
    assert (await machine.ended(ours)).status is TaskStatus.CANCELLED
    await machine.until_task(last, lambda now: now.is_running)
    await machine.provider.cancel_task(last.task_id)
    await machine.ended(last)


async def test_what_the_older_can_not_settle_it_leaves_to_the_newer(machine, newer):
    task = await machine.provider.get_task(newer.submit("sleep 1000", 1))
    await machine.until_task(task, lambda now: now.is_running)
    os.kill(_supervisor(task), signal.SIGKILL)
    await machine.until(lambda: not machine.is_alive(_supervisor(task)), "its supervisor is gone")
    older = machine.open("local")
    seen = await older.get_task(task.task_id)
    assert (seen.status, NEWER in seen.message) == (TaskStatus.RUNNING, True)
    assert any(one.free_gpus == 1 for one in await older.instances.find({}))
    await machine.until(lambda: newer.statuses()[task.task_id] == "failed", "the newer one settles it")
    assert (await older.get_task(task.task_id)).status is TaskStatus.FAILED
    assert any(one.free_gpus == 2 for one in await older.instances.find({}))


@pytest.mark.parametrize("newer", [MORE_WORDS], ids=["more words"], indirect=True)
async def test_the_older_keeps_a_field_that_it_does_not_know(machine, newer):
    await machine.running(await machine.submit("sleep 1000", instance_type="a100:2"))
    task = await machine.provider.get_task(newer.submit("sleep 1000", 1))
    await machine.until_task(task, lambda now: "waiting" in now.message)
    os.kill(_supervisor(task), signal.SIGKILL)
    assert (await machine.ended(task)).message == "lost: its supervisor was killed"
    state = json.loads(Path(task.provider_metadata["folder"], "state.json").read_text())
    assert (state["status"], state["phase"]) == ("failed", "warming up")


def _supervisor(task: Any) -> int:
    text = Path(task.provider_metadata["folder"], "state.json").read_text()
    return int(json.loads(text)["supervisor"]["pid"])
