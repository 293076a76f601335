"""What goes on when somebody removes the records of tasks that run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flow_core.agent.processes.table import list_processes, read_task_mark

pytestmark = pytest.mark.needs("linux")


@pytest.fixture
def soon(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing counts as deleted after a moment."""
    monkeypatch.setenv("FLOW_LOCAL_DELETED_S", "0.2")


def _alive(mark: str) -> list[int]:
    return [pid for pid, one in list_processes().items() if not one.is_zombie and read_task_mark(pid) == mark]


async def _remove(machine: Any, path: str) -> None:
    """As people do it, also while somebody writes there."""

    def is_gone() -> bool:
        subprocess.run(["rm", "-rf", path], stderr=subprocess.DEVNULL, check=False)
        return not os.path.exists(path)

    await machine.until(is_gone, "it is removed")


async def test_a_task_whose_folder_was_deleted_ends(machine: Any, soon: None) -> None:
    task = await machine.running(await machine.submit("sleep 300"))
    mark = machine.record(task, "spec")["mark"]
    await _remove(machine, task.provider_metadata["folder"])
    await machine.until(lambda: not _alive(mark), "nothing of it lives")


async def test_a_task_in_the_line_whose_folder_was_deleted_ends(machine: Any, soon: None) -> None:
    first = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    task = await machine.submit("sleep 300", instance_type="a100:2")
    await machine.until_task(task, lambda now: now.message.startswith("waiting"))
    mark = machine.record(task, "spec")["mark"]
    await _remove(machine, task.provider_metadata["folder"])
    await machine.until(lambda: not _alive(mark), "nothing of it lives")
    assert (await machine.provider.get_task(first.task_id)).is_running


async def test_a_folder_that_was_moved_is_not_deleted(machine: Any, soon: None, tmp_path: Path) -> None:
    task, other = [await machine.running(await machine.submit("sleep 300")) for _ in range(2)]
    mark = machine.record(other, "spec")["mark"]
    folder, away = Path(task.provider_metadata["folder"]), tmp_path / "away"
    folder.rename(away)
    await _remove(machine, other.provider_metadata["folder"])
    await machine.until(lambda: not _alive(mark), "the one that was deleted is over")
    away.rename(folder)
    assert (await machine.provider.get_task(task.task_id)).is_running
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.ended(task)).status == "cancelled"


async def test_after_the_state_directory_was_removed_no_task_gets_a_gpu_that_is_still_used(machine: Any) -> None:
    old = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    mark, supervisor = machine.record(old, "spec")["mark"], machine.supervisor(old)
    await _remove(machine, os.environ["FLOW_STATE_DIR"])
    machine.provider = machine.open("local")
    both = await machine.submit("sleep 300", instance_type="a100:2")
    waiting = await machine.until_task(both, lambda now: now.message.startswith("waiting"))
    assert waiting.message == "waiting for 2 x a100: 1 of 2 free"
    await machine.provider.cancel_task(both.task_id)
    one = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    assert one.provider_metadata["gpus"] != old.provider_metadata["gpus"]
    os.kill(supervisor, signal.SIGKILL)
    for pid in _alive(mark):
        os.kill(pid, signal.SIGKILL)
    assert (await machine.running(await machine.submit("sleep 300", instance_type="a100"))).is_running
