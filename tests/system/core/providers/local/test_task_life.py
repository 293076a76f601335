"""Tasks from submit to their end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testbed.log_truth import all_stamps
from testbed.places import ROOT
from testbed.waiting import DEADLINE_S

from flow_core.config import Context
from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider

_ROOT = str(ROOT)
_SUBMIT = """
import asyncio, os, sys, time
from flow_core.config import Context
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.provider import LocalProvider
async def main():
    provider = LocalProvider(Context("local", "local"))
    for _ in range(int(sys.argv[2])):
        task = await provider.submit(TaskConfig.parse({"command": sys.argv[1]}))
        print(task.task_id, flush=True)
    if len(sys.argv) > 3:
        time.sleep(60)
asyncio.run(main())
"""


def _submitter(*arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": _ROOT}
    return subprocess.Popen([sys.executable, "-c", _SUBMIT, *arguments], env=env, stdout=subprocess.PIPE, text=True)


async def test_a_task_runs_and_its_exit_code_and_both_streams_are_kept(machine):
    task = await machine.submit("echo out; echo err >&2; exit 3", name="one")
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 3)
    assert sorted((await machine.output(task)).split()) == [b"err", b"out"]
    (address,) = await machine.provider.logs.addresses(task.task_id)
    files = await machine.provider.logs.open(address)
    assert {stamp.stream for stamp in all_stamps(files)} == {0, 1}
    assert await machine.provider.logs.is_complete(address)
    assert end.created_at <= end.started_at <= end.completed_at


async def test_a_task_that_succeeds_is_completed(machine):
    end = await machine.ended(await machine.submit(["printf", "%s", "a b"]))
    assert (end.status, end.exit_code) == (TaskStatus.COMPLETED, 0)
    assert await machine.output(end) == b"a b"


async def test_a_command_that_does_not_exist_fails_with_127_and_says_so(machine):
    end = await machine.ended(await machine.submit(["no-such-command-here"]))
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 127)
    assert "no-such-command-here" in end.message


async def test_a_killed_main_process_is_told_by_its_signal_and_leaves_nothing(machine):
    task = await machine.running(await machine.submit("sleep 300 & sleep 300"))
    os.kill(task.provider_metadata["pid"], signal.SIGKILL)
    end = await machine.ended(task)
    assert (end.status, end.exit_code, end.message) == (TaskStatus.FAILED, 137, "killed by SIGKILL")
    await machine.until(lambda: not machine.members(task), "all processes gone")


async def test_the_task_gets_its_environment_and_folder_but_not_our_terminal(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv("TEXTUAL_DRIVER", "x")
    work = tmp_path / "work"
    work.mkdir()
    task = await machine.submit("pwd; env", env={"GREETING": "a=b"}, working_dir=str(work))
    await machine.ended(task)
    lines = (await machine.output(task)).decode().splitlines()
    assert lines[0] == str(work)
    assert {"GREETING=a=b", f"FLOW_TASK_ID={task.task_id}", f"FLOW_TASK_NAME={task.name}"} <= set(lines)
    assert not [line for line in lines if line.startswith(("COLUMNS=", "TEXTUAL"))]


async def test_a_submit_that_is_tried_again_with_its_key_finds_its_task(machine):
    first = await machine.submit("true", idempotency_key="once")
    assert (await machine.submit("true", idempotency_key="once")).task_id == first.task_id
    with pytest.raises(Conflict, match="'once' is that of task"):
        await machine.submit("false", idempotency_key="once")
    assert len(await machine.provider.list_tasks()) == 1


async def test_a_missing_working_dir_is_refused_by_field_and_leaves_nothing(machine):
    with pytest.raises(ConfigError) as caught:
        await machine.submit("true", working_dir="/no/such/folder")
    assert caught.value.field == "working_dir"
    assert await machine.provider.list_tasks() == ()


async def test_cancel_ends_processes_that_left_session_and_parent(machine, tmp_path):
    escape = "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    escape += (
        "import signal; signal.signal(15, signal.SIG_IGN); open('pid','w').write(str(os.getpid())); time.sleep(300)"
    )
    task = await machine.submit(f"{sys.executable} -c \"exec('''{escape}''')\"; sleep 300")
    await machine.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the escape")
    escaped = int((tmp_path / "pid").read_text())
    await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert end.status is TaskStatus.CANCELLED
    assert not machine.is_alive(escaped)
    await machine.provider.cancel_task(task.task_id)


async def test_a_forced_cancel_grants_no_grace(machine, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "60")
    task = await machine.submit("trap '' TERM; echo up; while :; do sleep 0.1; done")
    await machine.running(task)
    await machine.provider.cancel_task(task.task_id, force=True)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED


async def test_a_task_ends_at_its_run_time_limit(machine):
    end = await machine.ended(await machine.submit("sleep 300", max_run_time_hours=0.0001))
    assert end.status is TaskStatus.FAILED
    assert "max_run_time_hours" in end.message


async def test_a_killed_supervisor_loses_the_task_only_once_nothing_of_it_lives(machine):
    task = await machine.running(
        await machine.submit("trap '' TERM; sleep 300 & wait; sleep 300", instance_type="a100:2")
    )
    pid = task.provider_metadata["pid"]
    waiting = await machine.submit("true", instance_type="a100")
    os.kill(machine.supervisor(task), signal.SIGKILL)
    seen_running = False
    while not (now := await machine.provider.get_task(task.task_id)).is_terminal:
        seen_running = seen_running or now.is_running
        if machine.is_alive(pid):
            assert (await machine.provider.get_task(waiting.task_id)).status is TaskStatus.PENDING
        await asyncio.sleep(0.02)
    assert seen_running
    assert now.status is TaskStatus.FAILED
    assert now.message == "lost: its supervisor was killed"
    assert not machine.members(task)
    assert (await machine.ended(waiting)).status is TaskStatus.COMPLETED


async def test_a_waiting_task_frees_the_gpus_of_a_lost_one_while_nobody_looks(machine):
    task = await machine.running(await machine.submit("sleep 300", instance_type="a100:2"))
    waiting = await machine.submit("true", instance_type="a100:2")
    os.kill(machine.supervisor(task), signal.SIGKILL)
    await machine.until(lambda: machine.record(waiting, "state")["status"] == "completed", "the waiting task ran")
    assert machine.record(task, "state")["message"] == "lost: its supervisor was killed"
    assert not machine.members(task)


async def test_a_task_outlives_its_submitter(machine):
    submitter = _submitter("sleep 1; echo done", "1", "stay")
    task_id = submitter.stdout.readline().strip()
    submitter.kill()
    submitter.communicate()
    end = await machine.ended(await machine.provider.get_task(task_id))
    assert end.status is TaskStatus.COMPLETED
    assert await machine.output(end) == b"done\n"


async def test_a_task_submitted_by_a_task_outlives_it(machine, tmp_path):
    inner = "sleep 0.5; echo inner > inner"
    (tmp_path / "submit.py").write_text(_SUBMIT)
    outer = await machine.submit([sys.executable, "submit.py", inner, "1"], env={"PYTHONPATH": _ROOT})
    end = await machine.ended(outer)
    assert end.status is TaskStatus.COMPLETED
    (other,) = [task for task in await machine.provider.list_tasks() if task.task_id != outer.task_id]
    assert (await machine.ended(other)).status is TaskStatus.COMPLETED
    assert (tmp_path / "inner").read_text() == "inner\n"


async def test_two_processes_submit_at_once_and_all_tasks_are_there_in_order(machine):
    submitters = [_submitter("true", "3") for _ in range(2)]
    printed = [one.communicate(timeout=DEADLINE_S)[0].split() for one in submitters]
    listed = [task.task_id for task in await machine.provider.list_tasks()]
    assert sorted(listed) == sorted(printed[0] + printed[1])
    for ids in printed:
        assert [task_id for task_id in reversed(listed) if task_id in ids] == ids


async def test_a_million_lines_arrive_complete_and_in_order(machine):
    task = await machine.submit("seq 1000000")
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    wanted = hashlib.sha256("".join(f"{n}\n" for n in range(1, 1_000_001)).encode()).hexdigest()
    assert hashlib.sha256(await machine.output(task)).hexdigest() == wanted


@pytest.mark.parametrize("task_id", ["", "..", "task_../../etc", "task_aaaaaaaaaa", "task_aaaaaaaaaa/../x"])
async def test_an_unknown_or_crafted_id_is_not_found(machine, task_id):
    with pytest.raises(NotFound):
        await machine.provider.get_task(task_id)
    with pytest.raises(NotFound):
        await machine.provider.cancel_task(task_id)


async def test_the_order_holds_when_the_clock_was_set_back(machine):
    first = await machine.ended(await machine.submit("true"))
    (counter,) = machine.home.glob("state/local/*/queue/counter.json")
    last = json.loads(counter.read_text())
    ahead = time.time() + 86400
    counter.write_text(json.dumps({**last, "created_at": ahead}))
    second = await machine.ended(await machine.submit("true"))
    third = await machine.ended(await machine.submit("true"))
    assert [task.task_id for task in await machine.provider.list_tasks()] == [
        third.task_id,
        second.task_id,
        first.task_id,
    ]
    assert ahead < second.created_at.timestamp() <= second.started_at.timestamp() <= second.completed_at.timestamp()


async def test_two_contexts_may_hold_the_same_task_id(machine):
    task = await machine.ended(await machine.submit("echo mine"))
    folder = Path(task.provider_metadata["folder"])
    other = machine.open("other")
    await other.submit(TaskConfig.parse({"command": "true"}))
    twin = folder.parents[2] / "other" / "tasks" / task.task_id
    subprocess.run(["cp", "-r", folder, twin], check=True)
    copy = await other.get_task(task.task_id)
    assert (copy.context, copy.status) == ("other", TaskStatus.COMPLETED)
    assert copy.key != task.key
    for one in await other.list_tasks():
        await _end(other, one.task_id)


async def _end(provider: LocalProvider, task_id: str) -> None:
    deadline = time.monotonic() + 30
    while not (await provider.get_task(task_id)).is_terminal and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


def test_looking_at_tasks_loads_nothing_heavy(tmp_path):
    code = (
        "import asyncio, sys; from flow_core.config import Context;"
        "from flow_core.providers.local.provider import LocalProvider;"
        "asyncio.run(LocalProvider(Context('local', 'local')).list_tasks());"
        "print([name for name in ('pydantic', 'asyncssh', 'yaml', 'ctypes') if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": _ROOT, "FLOW_STATE_DIR": str(tmp_path)}
    output = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_context_opens_without_touching_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "none"))
    LocalProvider(Context("local", "local"))
    assert not (tmp_path / "none").exists()


async def test_a_task_that_is_cancelled_while_it_waits_says_so_and_not_what_it_waited_for(machine):
    holder = await machine.submit("sleep 600", instance_type="a100:2")
    waiting = await machine.submit("true", instance_type="a100:2")
    await machine.until_task(waiting, lambda now: now.message.startswith("waiting for"))
    await machine.provider.cancel_task(waiting.task_id)
    end = await machine.ended(waiting)
    assert (end.status, end.message) == (TaskStatus.CANCELLED, "cancelled before it started")
    await machine.provider.cancel_task(holder.task_id, force=True)
