"""A cancel takes effect whatever state the machine is in, and a task that has ended has left nothing running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.config import Context
from flow_core.models.task import TaskStatus
from flow_core.providers.local.provider import LocalProvider

# Each process starts the next one and ends; none of them listens to SIGTERM.
CHAINS = "f() { sleep .01; f & }; trap '' TERM; for i in 1 2 3; do f & done; echo up; sleep 100"


@pytest.fixture
def small_disk(machine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory lies on a disk of 4 MiB."""
    state = machine.home / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", state], check=True)
    monkeypatch.setenv("FLOW_STATE_DIR", str(state))
    machine.provider = machine.open("local")
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def _left(machine: Any, task: Any) -> set[int]:
    """What lives of a task, but for its supervisor, which may still be about to leave."""
    return set(machine.members(task)) - {machine.supervisor(task)}


def _is_full(disk: Path) -> bool:
    return os.statvfs(disk).f_bavail == 0


@pytest.mark.needs("root", "namespaces")
@pytest.mark.parametrize("force", [False, True])
async def test_a_task_that_filled_the_disk_can_be_cancelled(machine: Any, small_disk: Path, force: bool) -> None:
    task = await machine.running(await machine.submit("exec cat /dev/zero", instance_type="a100:2"))
    await machine.until(lambda: _is_full(small_disk), "the disk is full")
    await machine.provider.cancel_task(task.task_id, force=force)
    end = await machine.ended(task)
    assert end.status is TaskStatus.CANCELLED
    assert not _left(machine, task)
    assert [one.available_quantity for one in await machine.provider.instances.find({"instance_type": "2xa100"})] == [1]


@pytest.mark.needs("root", "namespaces")
async def test_the_gpus_are_free_though_there_is_no_room_for_the_last_record(machine: Any, small_disk: Path) -> None:
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    folder = Path(task.provider_metadata["folder"])
    (folder / "spare").unlink()
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], stderr=subprocess.DEVNULL, check=False)
    assert _is_full(small_disk)
    await machine.provider.cancel_task(task.task_id)
    instances = machine.provider.instances

    async def is_free() -> bool:
        return [one.available_quantity for one in await instances.find({"instance_type": "2xa100"})] == [1]

    await machine.until(is_free, "the GPUs are free")
    assert machine.record(task, "state")["status"] == "running"
    filler.unlink()
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED


@pytest.mark.parametrize("force", [False, True])
async def test_a_cancel_continues_a_supervisor_that_was_stopped(machine: Any, force: bool) -> None:
    task = await machine.running(await machine.submit("sleep 300"))
    os.kill(machine.supervisor(task), signal.SIGSTOP)
    await machine.provider.cancel_task(task.task_id, force=force)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    assert not _left(machine, task)


async def test_by_force_a_supervisor_that_does_not_obey_is_replaced(machine: Any) -> None:
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    deaf = subprocess.Popen(["sh", "-c", "trap '' USR1 USR2 TERM; echo; exec sleep 300"], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    path = Path(task.provider_metadata["folder"]) / "state.json"
    state = json.loads(path.read_text())
    os.kill(machine.supervisor(task), signal.SIGKILL)
    identity = ProcessIdentity.of(deaf.pid)
    assert identity is not None
    path.write_text(json.dumps({**state, "supervisor": identity._asdict()}))
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.provider.get_task(task.task_id)).is_running
    await machine.provider.cancel_task(task.task_id, force=True)
    deaf.wait()
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    assert not _left(machine, task)


@pytest.mark.parametrize("loses_supervisor", [False, True], ids=["cancelled", "supervisor killed"])
async def test_processes_that_start_others_all_the_time_do_not_outlive_their_task(
    machine: Any, loses_supervisor: bool
) -> None:
    task = await machine.running(await machine.submit(CHAINS, instance_type="a100:2"))
    await machine.until(lambda: machine.written(task) == b"up\n", "the chains run")
    if loses_supervisor:
        os.kill(machine.supervisor(task), signal.SIGKILL)
    else:
        await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert not _left(machine, task)
    assert end.status is (TaskStatus.FAILED if loses_supervisor else TaskStatus.CANCELLED)
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


async def test_a_task_is_not_over_while_a_task_started_inside_it_goes_on(machine: Any) -> None:
    """A task that was submitted from inside of another is not ended with it, and does not keep it from ending."""
    script = "from flow_core import Flow; print(Flow().submit('sleep 300').task_id)"
    command = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", script]
    outer = await machine.ended(await machine.submit(command))
    assert outer.status is TaskStatus.COMPLETED, await machine.output(outer)
    inner = await LocalProvider(Context("local", "local")).get_task((await machine.output(outer)).decode().strip())
    assert inner.is_running
    await machine.provider.cancel_task(inner.task_id)
    await machine.ended(inner)
