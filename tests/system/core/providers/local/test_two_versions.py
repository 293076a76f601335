"""Two versions of this program, one of which knows more, share one machine."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from testbed.other_version import MORE_WORDS, NEWER, NEXT_VERSION, OtherVersion

from flow_core.config import Context
from flow_core.models.task import TaskStatus


@pytest.fixture(params=[MORE_WORDS, NEXT_VERSION], ids=["more words", "next version"])
def newer(request: pytest.FixtureRequest, tmp_path: Path, machine: Any) -> OtherVersion:
    return OtherVersion(tmp_path / "newer", request.param, Context("local", "local", {}))


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
