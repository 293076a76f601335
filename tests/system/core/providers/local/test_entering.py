"""Entering a task with nothing but the agent's copy, as whoever comes over SSH does."""

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
from testbed.container_engines import find_processes
from testbed.pty_screen import Screen
from testbed.pythons import pythons
from testbed.waiting import DEADLINE_S, until

from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.refusals import REFUSAL_PREFIX, Refused
from flow_core.providers.over_agent.refusals import to_error

OLDEST = (3, 8)
CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.task_exec import main; main()"


def _argv(task: Any, how: str, *command: str, node: int = 0, python: str = sys.executable) -> list[str]:
    folder = Path(task.provider_metadata["folder"])
    home = provide_copy(folder.parents[3])
    return [python, "-I", "-S", "-c", CODE, str(home), "enter", str(folder), str(node), how, *command]


def _run(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, input=b"said\n", capture_output=True, timeout=DEADLINE_S, check=False)


async def test_it_becomes_the_command_in_the_tasks_folder_environment_and_mounts(machine):
    volume = await machine.provider.volumes.create(1, "data", "file", None)
    mount = {"volume_id": volume.volume_id, "mount_path": "/mnt/of-the-task"}
    wanted = {"env": {"COLOUR": "blue"}, "volumes": [mount], "working_dir": str(machine.home)}
    task = await machine.running(await machine.submit("touch $FLOW_VOLUME_DATA/file; sleep 1000", **wanted))
    script = "echo $FLOW_TASK_ID $COLOUR; pwd; ls $FLOW_VOLUME_DATA; cat; echo err >&2; exit 7"
    done = await asyncio.to_thread(_run, _argv(task, "pipes", script))
    assert (done.returncode, done.stderr) == (7, b"err\n")
    assert done.stdout.decode().split() == [task.task_id, "blue", str(machine.home), "file", "said"]


@pytest.mark.needs("pythons")
async def test_the_oldest_python_will_do(machine):
    task = await machine.running(await machine.submit("sleep 1000"))
    argv = _argv(task, "pipes", "cat; echo $FLOW_TASK_ID", python=pythons()[OLDEST])
    done = await asyncio.to_thread(_run, argv)
    assert (done.stdout.decode().split(), done.stderr) == (["said", task.task_id], b"")


async def test_on_a_terminal_it_is_an_interactive_shell_on_that_terminal(machine):
    task = await machine.running(await machine.submit("sleep 1000", env={"SHELL": "/bin/sh"}))
    with Screen(_argv(task, "terminal"), {"TERM": "screen"}) as screen:
        screen.send("test -t 0 && echo =$FLOW_TASK_ID=$TERM=", "enter")
        await asyncio.to_thread(screen.wait_for, f"={task.task_id}=screen=")
        screen.send("exit 5", "enter")
        assert await asyncio.to_thread(screen.wait_exit) == 5


async def test_a_refusal_is_a_line_with_code_and_details(machine):
    running = await machine.running(await machine.submit("sleep 1000"))
    over = await machine.ended(await machine.submit("true"))
    said = [await asyncio.to_thread(_refusal, _argv(running, "pipes", "true", node=3))]
    said.append(await asyncio.to_thread(_refusal, _argv(over, "pipes", "true")))
    (Path(over.provider_metadata["folder"]).parent).chmod(0o777)
    said.append(await asyncio.to_thread(_refusal, _argv(over, "pipes", "true")))
    assert said[:2] == [
        f"node: task {running.task_id} has one node, 0, and no 3",
        f"task {over.task_id} is completed; you can enter only a running task",
    ]
    assert said[2].startswith("the state directory can't be used: others can write to")


def _refusal(argv: list[str]) -> str:
    done = _run(argv)
    assert (done.returncode, done.stdout) == (126, b"")
    line = done.stderr.decode().splitlines()[-1]
    told = json.loads(line.removeprefix(REFUSAL_PREFIX))
    return str(to_error(Refused(told["code"], **told["details"])))


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
async def test_what_ran_in_a_container_ends_with_whoever_entered_it(shared_machine, container, number):
    done = await asyncio.to_thread(
        _run, _argv(container, "pipes", "echo $FLOW_TASK_ID; sleep 4712 >/dev/null 2>&1 & cat; exit 7")
    )
    assert (done.returncode, done.stdout.decode().split()) == (7, [container.task_id, "said"]), done.stderr
    with subprocess.Popen(_argv(container, "pipes", "sleep 4711; true"), start_new_session=True) as client:
        await until(lambda: find_processes(container, b"sleep 4711"))
        os.killpg(client.pid, number)
    await until(lambda: not find_processes(container, b"sleep 4711"))
    (in_background,) = find_processes(container, b"sleep 4712")
    os.kill(in_background, signal.SIGKILL)
