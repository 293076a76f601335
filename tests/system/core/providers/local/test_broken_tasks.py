"""Tasks whose records break while something of them lives, waits or starts."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from testbed.specs import task_spec

from flow_core.agent.capacity import queue
from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.spec import GpuPlan
from flow_core.agent.supervisor.gpu_wait import GpuWait
from flow_core.agent.supervisor.state_writer import TaskStateWriter
from flow_core.agent.supervisor.stop_signal import StopSignal
from flow_core.agent.tasks import TaskStore
from flow_core.errors import Conflict
from flow_core.models.task import TaskStatus

OTHER = 54321
BROKEN = "its record is broken: state.json can't be read: "


def _root(task: Any) -> Path:
    return Path(task.provider_metadata["folder"]).parents[3]


async def _free(machine: Any) -> int | None:
    (offer,) = [one for one in await machine.open("local").instances.find({}) if one.gpu_count == 1]
    return offer.free_gpus


async def test_a_broken_state_keeps_the_gpu_until_nothing_of_the_task_lives(machine):
    """The process has closed the GPU's lock, as what an engine starts never had it: only the lease keeps the GPU."""
    close = 'for fd in /proc/$$/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && eval "exec $n>&-"; done; '
    task = await machine.running(await machine.submit(f"{close} exec sleep 1000", instance_type="a100"))
    supervisor = machine.supervisor(task)
    await machine.until(lambda: len(machine.members(task)) == 2, "one process beside the supervisor")
    Path(task.provider_metadata["folder"], "state.json").write_text("{")
    os.kill(supervisor, signal.SIGKILL)
    await machine.until(lambda: not machine.is_alive(supervisor), "the supervisor is gone")
    now = await machine.open("local").get_task(task.task_id)
    assert (now.status, now.message[: len(BROKEN)]) == (TaskStatus.RUNNING, BROKEN)
    assert await _free(machine) == 1
    with pytest.raises(Conflict, match=r"can't be cancelled: its record is broken.*end what runs of it by hand"):
        await machine.provider.cancel_task(task.task_id)
    await machine.kill_all(task)
    now = await machine.provider.get_task(task.task_id)
    assert (now.status, now.message[: len(BROKEN)]) == (TaskStatus.FAILED, BROKEN)
    assert await _free(machine) == 2


async def test_a_broken_record_of_mounts_is_the_reason_for_which_the_task_fails(machine):
    first = await machine.running(await machine.submit("sleep 1000", instance_type="a100:2"))
    volume = await machine.provider.volumes.create(1, "data", "file", None)
    mount = {"volume_id": volume.volume_id, "mount_path": str(machine.home / "there")}
    task = await machine.submit("true", instance_type="a100:2", volumes=[mount])
    await machine.until_task(task, lambda now: "waiting" in now.message)
    Path(task.provider_metadata["folder"], "mounts.json").write_text("{")
    await machine.provider.cancel_task(first.task_id)
    await machine.until(lambda: machine.record(task, "state")["status"] == "failed", "it fails")
    assert machine.record(task, "state")["message"].startswith("its record is broken: mounts.json can't be read")


async def test_a_file_in_place_of_a_bell_makes_nobody_spin(machine):
    first = await machine.running(await machine.submit("sleep 1000", instance_type="a100:2"))
    waits = await machine.submit("true", instance_type="a100:2")
    await machine.until_task(waits, lambda now: "waiting" in now.message)
    (bell,) = _root(first).glob("queue/*.bell")
    os.kill(machine.supervisor(waits), signal.SIGSTOP)
    bell.unlink()
    bell.write_text("not a pipe")
    ticket = queue.find_ticket(Layout(_root(first), "local").task(waits.task_id), machine.record(waits, "spec")["seq"])
    assert ticket is not None
    assert queue.open_wakeup_fifo(ticket) is None
    queue.notify_waiting(_root(first))
    assert bell.read_text() == "not a pipe"
    os.kill(machine.supervisor(waits), signal.SIGCONT)


async def test_a_counter_that_was_set_back_takes_no_ticket_from_anybody(machine):
    first = await machine.running(await machine.submit("sleep 1000", instance_type="a100:2"))
    waits = await machine.submit("true", instance_type="a100:2")
    await machine.until_task(waits, lambda now: "waiting" in now.message)
    counter = _root(first) / "queue" / "counter.json"
    counter.write_text(json.dumps({"version": 1, "seq": machine.record(first, "spec")["seq"], "created_at": 1e30}))
    last = await machine.submit("true", instance_type="a100:2")
    await machine.until_task(last, lambda now: "1 task ahead" in now.message)
    assert abs(last.created_at.timestamp() - time.time()) < 3600
    await machine.provider.cancel_task(first.task_id)
    ends = [await machine.ended(task) for task in (waits, last)]
    assert [task.status for task in ends] == [TaskStatus.COMPLETED] * 2
    assert ends[0].started_at < ends[1].started_at


def test_a_task_whose_ticket_was_lost_takes_its_place_again_instead_of_starting_without_gpus(tmp_path):
    layout = Layout(tmp_path, "local")
    layout.make()
    task = layout.task("task_aaaaaaaaaa")
    make_private_folder(task.path)
    gpus = GpuPlan(type="a100", per_rank=1, candidates=("gpu-0", "gpu-1"))
    task_spec(seq=3, ranks=2, gpus=gpus).write(task.spec)
    ledger = TaskStateWriter(task)
    ledger.write()
    locks = GpuWait(ledger, StopSignal(task)).wait()
    assert locks is not None
    assert (len(locks.fds), ledger.state.gpus) == (2, ["gpu-0", "gpu-1"])
    locks.release()


@pytest.mark.needs("root")
def test_a_task_folder_of_another_owner_is_one_broken_task():
    with tempfile.TemporaryDirectory() as home:
        layout = Layout(Path(home, "state", "local", "machine"), "local")
        task = layout.task("task_aaaaaaaaaa")
        make_private_folder(task.path)
        for folder in (home, *(path for path in task.path.parents if path.is_relative_to(home))):
            os.chown(folder, OTHER, OTHER)
        shown, says = os.pipe()
        if os.fork() == 0:  # another Python could not read its own library, which is root's alone
            try:
                os.setuid(OTHER)
                (one,) = TaskStore(layout).list_all()
                os.write(says, f"{one.report.status} {one.report.message}".encode())
            finally:
                os._exit(0)
        os.close(says)
        with open(shown, encoding="utf-8") as stream:
            assert stream.read() == "pending its record is broken: spec.json can't be read: Permission denied"
        os.wait()
