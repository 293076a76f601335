"""What reboots, crashes and stuck processes leave behind, and that it goes away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.waiting import DEADLINE_S

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.errors import NotFound, Unreachable
from flow_core.models.task import TaskStatus

_STOPPED = "#!/bin/sh\nkill -STOP $$\n"
_STOPPED_ORPHAN = "#!/bin/sh\nsh -c 'kill -STOP $$' &\n"


def _edit(task: Any, name: str, **changes: Any) -> None:
    path = Path(task.provider_metadata["folder"]) / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


async def _cut_the_power(machine: Any, *tasks: Any) -> None:
    """Ends everything of the tasks before any of it can write a word, as if the machine had been restarted."""
    pids = [pid for task in tasks for pid in machine.members(task)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    await machine.until(lambda: not any(map(machine.is_alive, pids)), "the power cut")
    for task in tasks:
        # The supervisor's number and start now belong to somebody else: only the boot tells them apart.
        _edit(task, "state", supervisor={**ProcessIdentity.current()._asdict(), "boot": "another"})
        children = machine.record(task, "state")["children"]
        _edit(task, "state", children=[{**child, "boot": "another"} for child in children])


async def test_a_restart_of_the_machine_loses_what_ran_and_what_waited_and_frees_the_gpus(machine):
    running = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    waiting = await machine.submit("sleep 300", instance_type="a100:2")
    await machine.until_task(waiting, lambda now: now.message.startswith("waiting"))
    await _cut_the_power(machine, running, waiting)
    after = machine.open("local")
    for task in (running, waiting):
        lost = await after.get_task(task.task_id)
        assert (lost.status, lost.message) == (TaskStatus.FAILED, "lost: the machine was restarted")
        assert lost.completed_at is not None
    assert [one.available_quantity for one in await after.instances.find({"instance_type": "2xa100"})] == [1]
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


async def test_after_a_restart_the_gpus_are_free_though_nobody_looked_at_the_lost_task(machine):
    before = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    await _cut_the_power(machine, before)
    task = await machine.submit("true", instance_type="a100:2")
    await machine.until(lambda: machine.record(task, "state")["status"] == "completed", "the next task ran")
    assert machine.record(before, "state")["message"] == "lost: the machine was restarted"


_STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.05; done"


async def _in_line(machine: Any) -> Any:
    await machine.running(await machine.submit("exec sleep 300", instance_type="a100:2"))
    task = await machine.submit("sleep 300", instance_type="a100", num_instances=2)
    return await machine.until_task(task, lambda now: now.message.startswith("waiting"))


async def _starting(machine: Any) -> Any:
    task = await machine.submit(_STUBBORN, num_instances=100)
    folder = Path(task.provider_metadata["folder"]) / "attempt-0"
    await machine.until(lambda: (folder / "rank-0.log").exists(), "the first ranks start")
    return task


async def _running(machine: Any) -> Any:
    return await machine.running(await machine.submit(_STUBBORN, instance_type="a100", num_instances=2))


async def _stopping(machine: Any) -> Any:
    task = await _running(machine)
    await machine.until(lambda: _outputs(task) == [b"up\n", b"up\n"], "both ranks are deaf to SIGTERM")
    os.kill(task.provider_metadata["pids"][0], signal.SIGKILL)
    await machine.until(lambda: not machine.is_alive(task.provider_metadata["pids"][0]), "a rank has failed")
    return task


async def _between_attempts(machine: Any) -> Any:
    retries = {"max_retries": 3, "delay_s": 60.0}
    task = await machine.submit("exit 3", instance_type="a100", num_instances=2, retries=retries)
    return await machine.until_task(task, lambda now: "starts in" in now.message)


async def _in_a_later_attempt(machine: Any) -> Any:
    retries = {"max_retries": 3, "delay_s": 0.0}
    command = f"[ -e failed$NODE_RANK ] || {{ touch failed$NODE_RANK; exit 1; }}; {_STUBBORN}"
    task = await machine.submit(command, instance_type="a100:2", retries=retries)
    return await machine.until_task(task, lambda now: now.is_running and now.attempt == 1)


def _outputs(task: Any) -> list[bytes]:
    folder = Path(task.provider_metadata["folder"])
    return [log.read_bytes() for log in sorted(folder.glob("attempt-*/rank-*.log"))]


@pytest.mark.parametrize("phase", [_in_line, _starting, _running, _stopping, _between_attempts, _in_a_later_attempt])
async def test_a_supervisor_killed_in_any_phase_leaves_no_process_and_no_held_gpu(machine, phase):
    task = await phase(machine)
    os.kill(machine.supervisor(task), signal.SIGKILL)
    end = await machine.ended(task)
    assert (end.status, end.message) == (TaskStatus.FAILED, "lost: its supervisor was killed")
    await machine.until(lambda: not machine.members(task), "nothing of it lives")
    for other in await machine.provider.list_tasks():
        await machine.provider.cancel_task(other.task_id)
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


@pytest.mark.parametrize("script", [_STOPPED, _STOPPED_ORPHAN])
async def test_a_supervisor_that_never_answers_is_ended_and_holds_nobody_up(machine, tmp_path, monkeypatch, script):
    stuck = tmp_path / "stuck"
    stuck.write_text(script)
    stuck.chmod(0o700)
    with monkeypatch.context() as context:
        context.setattr(sys, "executable", str(stuck))
        context.setattr("flow_core.agent.supervisor_start._DEADLINE_S", 0.5)
        with pytest.raises(Unreachable, match="did not answer"):
            await machine.submit("true", instance_type="a100:2")
    (task,) = await machine.provider.list_tasks()
    end = await machine.ended(task)
    assert (end.status, end.message) == (TaskStatus.CANCELLED, "lost: its supervisor did not answer")
    assert not machine.members(task)
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


def _leave(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "file").touch()
    return folder


async def test_a_submit_sweeps_away_what_a_crash_left_half_made_or_half_deleted(machine, tmp_path):
    task = await machine.ended(await machine.submit("true"))
    context = Path(task.provider_metadata["folder"]).parents[1]
    precious = _leave(tmp_path / "outside")
    left = [
        _leave(context / "tasks" / ".new-task_aaaaaaaaaa"),
        _leave(context / "volumes" / ".new-vol_aaaaaaaaaa"),
        _leave(context / "volumes" / ".deleted-vol_bbbbbbbbbb"),
    ]
    (left[2] / "data" / "link").symlink_to(precious)
    await machine.submit("true")
    await machine.until(lambda: not any(map(os.path.lexists, left)), "the sweep")
    assert (precious / "data" / "file").exists()
    assert {one.task_id for one in await machine.provider.list_tasks()} > {task.task_id}


async def test_a_delete_sweeps_too_and_other_contexts_are_left_alone(machine):
    await machine.provider.volumes.create(1, "keep", "block", None)
    await machine.provider.volumes.create(1, "data", "block", None)
    (volumes,) = machine.home.glob("state/local/*/contexts/local/volumes")
    left = _leave(volumes / ".deleted-vol_bbbbbbbbbb")
    elsewhere = _leave(volumes.parents[1] / "other" / "volumes" / ".new-vol_cccccccccc")
    await machine.provider.volumes.delete("data")
    await machine.until(lambda: not left.exists(), "the sweep")
    assert elsewhere.exists()
    assert [one.name for one in await machine.provider.volumes.list()] == ["keep"]
    with pytest.raises(NotFound):
        await machine.provider.volumes.delete("data")


async def test_what_a_live_process_is_making_is_not_swept(machine):
    """Its lock makes the submit wait, and so the folder has its real name before anybody looks for leftovers."""
    await machine.ended(await machine.submit("true"))
    (volumes,) = machine.home.glob("state/local/*/contexts/local/volumes")
    maker = subprocess.Popen(
        [sys.executable, "-c", _MAKER, str(volumes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    assert maker.stdout.readline() == "making\n"
    submit = asyncio.create_task(machine.submit("true"))
    await machine.until(lambda: _waits_for_a_lock(os.getpid()), "the submit waits for the maker")
    maker.communicate("done\n", timeout=DEADLINE_S)
    await submit
    assert (volumes / "vol_dddddddddd" / "data").is_dir()


def _waits_for_a_lock(pid: int) -> bool:
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return True  # nothing here tells; the lock is kept all the same
    return any("->" in line and str(pid) in line.split() for line in lines)


_MAKER = """
import fcntl, os, sys
volumes = sys.argv[1]
lock = os.open(volumes + "/.lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
os.makedirs(volumes + "/.new-vol_dddddddddd/data")
print("making", flush=True)
sys.stdin.readline()
os.rename(volumes + "/.new-vol_dddddddddd", volumes + "/vol_dddddddddd")
"""
