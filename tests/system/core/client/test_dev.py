"""The dev VM, over the real local provider: found again by its name, entered, reset, stopped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from testbed.places import ROOT
from testbed.pty_screen import Screen
from testbed.tables import each
from testbed.waiting import until

from flow_core import AsyncDevEnvironment, AsyncFlow, ConfigError, Conflict, DevEnvironment, Flow, TaskStatus
from flow_core.agent.processes.table import find_process
from flow_core.client.dev import dev_name


@pytest.fixture
async def flow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[AsyncFlow]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "1")
    async with AsyncFlow("local") as opened:
        yield opened


@pytest.fixture
def dev(flow: AsyncFlow) -> AsyncDevEnvironment:
    return flow.dev_context()


async def vms(flow: AsyncFlow) -> list[str]:
    """The ids of the VMs that run."""
    tasks = await flow.list_tasks(TaskStatus.RUNNING, limit=100)
    return [task.task_id for task in tasks if task.name.startswith(dev_name())]


async def test_a_vm_is_started_once_and_found_again(flow: AsyncFlow, dev: AsyncDevEnvironment) -> None:
    vm = await dev.start()
    assert (vm.name, vm.status) == (dev_name(), TaskStatus.RUNNING)
    assert (await dev.start()).task_id == vm.task_id
    assert (await dev.ensure_started()).task_id == vm.task_id
    assert (await flow.dev_context().start()).task_id == vm.task_id
    async with AsyncFlow("local") as other:
        assert (await other.dev_context().ensure_started()).task_id == vm.task_id
    assert await vms(flow) == [vm.task_id]


async def test_a_second_vm_can_be_forced(flow: AsyncFlow, dev: AsyncDevEnvironment) -> None:
    first = await dev.start()
    second = await dev.start(force_new=True)
    assert second.task_id != first.task_id
    assert second.name.startswith(f"{dev_name()}-")
    assert (await dev.ensure_started()).task_id == second.task_id
    assert (await flow.dev_context().start()).task_id == first.task_id
    assert sorted(await vms(flow)) == sorted([first.task_id, second.task_id])


async def test_a_vm_of_another_instance_type_or_image_is_a_conflict(flow: AsyncFlow, dev: AsyncDevEnvironment) -> None:
    vm = await dev.start("a100")
    assert (await flow.dev_context().start("1xa100")).task_id == vm.task_id
    with pytest.raises(Conflict, match=r"has instance type a100, not a100:2; stop it first, or .* force_new"):
        await flow.dev_context().start("a100:2")
    with pytest.raises(Conflict, match="has image none, not ubuntu"):
        await dev.exec("true", image="ubuntu")
    assert await vms(flow) == [vm.task_id]


async def test_commands_run_inside_and_answer_with_their_exit_code(
    dev: AsyncDevEnvironment, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await dev.exec("echo out; echo err >&2; exit 3") == 3
    assert await dev.exec(["printf", "%s-", "a b", "$HOME"]) == 0
    assert await dev.run("echo kept > file; test -e file") == 0
    assert await dev.exec("cat file") == 0
    assert tuple(capfd.readouterr()) == ("out\na b-$HOME-kept\n", "err\n")
    assert await dev.exec("kill -9 $$") == 137


@each("command", [None, 5, b"x", [5], "", " ", "\0", [], ["\ud800"]])
async def test_an_invalid_command_is_refused_before_anything_starts(
    flow: AsyncFlow, dev: AsyncDevEnvironment, command: Any
) -> None:
    with pytest.raises(ConfigError, match="command: "):
        await dev.exec(command)
    with pytest.raises(ConfigError, match="retries: "):
        await dev.exec("true", retries=-1)
    assert await flow.list_tasks(limit=10) == []


async def test_a_reset_ends_everything_and_starts_again_in_the_same_folder(
    flow: AsyncFlow, dev: AsyncDevEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = await dev.start("a100")
    await dev.exec("touch kept; sleep 600 & echo $! > pid")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = await dev.reset()
    assert again.task_id != vm.task_id
    assert (again.name, again.instance_type, again.status) == (vm.name, vm.instance_type, TaskStatus.RUNNING)
    assert (await vm.refresh()).status is TaskStatus.CANCELLED
    assert await dev.exec("test -e kept") == 0
    left = find_process(int((tmp_path / "pid").read_text()))
    assert left is None or left.is_zombie
    assert await vms(flow) == [again.task_id]


async def test_a_vm_is_stopped_once(flow: AsyncFlow, dev: AsyncDevEnvironment) -> None:
    assert await dev.stop() is False
    vm = await dev.start()
    assert await flow.dev_context().stop() is True
    assert (await vm.refresh()).status is TaskStatus.CANCELLED
    assert await dev.stop() is False
    assert (await dev.ensure_started()).task_id != vm.task_id


async def test_the_status_describes_the_vm(dev: AsyncDevEnvironment) -> None:
    assert await dev.status() == {"vm": None, "active_containers": 0, "containers": []}
    vm = await dev.start()
    told = await dev.status()
    assert told == {"vm": vm.to_dict(), "active_containers": 0, "containers": []}
    assert told["vm"]["status"] == "running"


@pytest.mark.parametrize(("auto_stop", "status"), [(True, TaskStatus.CANCELLED), (False, TaskStatus.RUNNING)])
async def test_leaving_the_context_stops_the_vm_only_with_auto_stop(
    flow: AsyncFlow, auto_stop: bool, status: TaskStatus
) -> None:
    async with flow.dev_context(auto_stop=auto_stop) as dev:
        vm = await dev.ensure_started()
    assert (await vm.refresh()).status is status
    left = flow.dev_context(auto_stop=auto_stop)
    with pytest.raises(ZeroDivisionError):
        await work_in(left)
    assert await vms(flow) == ([] if auto_stop else [vm.task_id])


async def work_in(dev: AsyncDevEnvironment) -> None:
    async with dev:
        raise ZeroDivisionError


async def test_a_vm_that_has_ended_is_started_again(dev: AsyncDevEnvironment) -> None:
    vm = await dev.start()
    await vm.cancel(force=True)
    await vm.wait(20)
    again = await dev.ensure_started()
    assert again.task_id != vm.task_id
    assert again.is_running


async def test_start_waits_for_a_vm_that_waits_for_gpus(flow: AsyncFlow, dev: AsyncDevEnvironment) -> None:
    holder = await flow.submit("sleep 600", gpu="a100:2")
    await holder.wait_until_started(20)
    starting = asyncio.create_task(dev.start("a100"))
    await until(lambda: dev_is_pending(flow))
    assert not starting.done()
    await holder.cancel(force=True)
    assert (await starting).is_running


async def dev_is_pending(flow: AsyncFlow) -> bool:
    return dev_name() in [task.name for task in await flow.list_tasks(TaskStatus.PENDING)]


def test_the_blocking_dev_environment_does_the_same(
    flow: AsyncFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with Flow("local") as plain, plain.dev_context(auto_stop=True) as dev:
        assert isinstance(dev, DevEnvironment)
        vm = dev.ensure_started()
        assert dev.start().task_id == vm.task_id
        assert dev.exec("echo in $0; exit 4") == 4
        dev.connect("echo connected")
        assert dev.status()["vm"]["id"] == vm.task_id
        again = dev.reset()
        assert dev.run("true") == 0
        assert dev.stop() is True
        assert again.refresh().status is TaskStatus.CANCELLED
    assert capfd.readouterr().out.endswith("connected\n")


def test_the_vm_can_be_entered_on_a_terminal(flow: AsyncFlow) -> None:
    script = (
        "from flow_core import Flow\n"
        "with Flow('local') as flow, flow.dev_context(auto_stop=True) as dev:\n"
        "    code = dev.exec('read word; echo got $word; stty size; exit 5', interactive=True)\n"
        "    print('code', code, flush=True)\n"
        "    dev.connect()\n"
        "    print('left', flush=True)\n"
    )
    with Screen(
        [sys.executable, "-W", "ignore", "-c", script], {"PYTHONPATH": str(ROOT)}, columns=80, rows=24
    ) as screen:
        screen.wait_for(lambda _: not screen.is_cooked())
        screen.send("words", "enter")
        screen.wait_for("got words")
        screen.wait_for("code 5")
        screen.wait_for(lambda _: not screen.is_cooked())
        screen.send("echo $((6*7)) here", "enter")
        screen.wait_for("42 here")
        screen.send("exit", "enter")
        screen.wait_for("left")
        assert screen.wait_exit() == 0
        assert screen.is_cooked()
