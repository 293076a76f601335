"""How tasks in containers end early: cancelled, or left alone by what kept them."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.container_engines import IMAGE, RealEngine
from testbed.image_registry import registry

from flow_core.agent.processes.table import has_argument, list_processes
from flow_core.models.task import TaskStatus

_STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


async def test_cancelling_gives_every_process_in_the_container_its_time_to_end(machine, engine, monkeypatch):
    monkeypatch.setenv("FLOW_LOCAL_GRACE_S", "60")
    worker = "trap 'echo worker ended; exit' TERM; echo ready; while :; do sleep 0.05; done"
    task = await machine.submit(f"sh -c \"{worker}\" & trap 'wait; echo all ended; exit 0' TERM; wait", image=IMAGE)
    await machine.until(lambda: b"ready" in machine.written(task), "the worker")
    running = await machine.provider.get_task(task.task_id)
    assert machine.provider.describe_cancel(running) == (
        f"SIGTERM to every process in {engine.containers(task.task_id)[0]}, {engine.name} kill after 60 s"
    )
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    lines = [line for line in (await machine.output(task)).split(b"\n") if line.endswith(b"ended")]
    assert lines == [b"worker ended", b"all ended"]
    assert engine.containers(task.task_id) == []


async def test_a_container_that_ignores_the_first_signal_is_killed_after_the_grace(machine, engine):
    task = await machine.submit(_STUBBORN, image=IMAGE)
    await machine.until(lambda: b"ready" in machine.written(task), "the start")
    await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.CANCELLED, 137)
    assert (end.completed_at - end.started_at).total_seconds() >= 1
    assert engine.containers(task.task_id) == []


async def test_a_task_that_is_cancelled_while_it_starts_leaves_no_container(machine, engine):
    task = await machine.running(await machine.submit("sleep 300", image=IMAGE))
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    assert engine.containers(task.task_id) == []


@pytest.mark.parametrize("what", ["supervisor", "client", "both", "beside"])
async def test_when_one_of_its_keepers_is_killed_the_container_ends_before_its_gpu_is_free(machine, engine, what):
    stubborn = f"{_STUBBORN} # {uuid.uuid4()}"  # tests beside this one run the same command
    task = await machine.submit(stubborn, image=IMAGE, instance_type="a100:2")
    await machine.until(lambda: b"ready" in machine.written(task), "the start")
    after = await machine.submit("true", instance_type="a100:2")
    client = (await machine.provider.get_task(task.task_id)).provider_metadata["pid"]
    beside = [pid for pid in _mentioning(_names(engine, task.task_id)) if pid not in (client, *_mentioning([stubborn]))]
    assert beside
    keepers = {"supervisor": [machine.supervisor(task)], "client": [client], "beside": beside}
    for pid in keepers["supervisor"] + keepers["client"] if what == "both" else keepers[what]:
        os.kill(pid, signal.SIGKILL)
    end = await machine.ended(task)
    assert engine.containers(task.task_id) == []
    assert _mentioning([stubborn]) == []
    assert end.status is TaskStatus.FAILED
    assert (await machine.ended(after)).started_at >= end.completed_at
    if what != "beside":
        assert end.message == ("killed by SIGKILL" if what == "client" else "lost: its supervisor was killed")


def _names(engine: RealEngine, task_id: str) -> list[str]:
    """How the engine's own process beside a container may call it."""
    ids = engine.run("ps", "--no-trunc", "--quiet", "--filter", f"name={task_id}")
    return [*engine.containers(task_id), *ids.split()]


def _mentioning(texts: list[str]) -> list[int]:
    return [pid for pid in list_processes() if any(has_argument(pid, text) for text in texts)]


async def test_a_task_is_cancelled_while_its_image_is_fetched(machine, engine, busybox):
    with registry({"bin/sh": busybox}) as server:
        server.gate.clear()
        task = await machine.submit("true", image=server.image)
        await machine.until(server.asked.is_set, "the pull")
        await machine.provider.cancel_task(task.task_id)
        end = await machine.ended(task)
    assert (end.status, end.started_at) == (TaskStatus.CANCELLED, None)
    await machine.until(lambda: machine.members(task) == [], "the end of all")


async def test_a_task_whose_supervisor_is_killed_while_it_fetches_is_lost_and_fetches_no_longer(
    machine, engine, busybox
):
    with registry({"bin/sh": busybox}) as server:
        server.gate.clear()
        task = await machine.submit("true", image=server.image)
        await machine.until(server.asked.is_set, "the pull")
        os.kill(machine.supervisor(task), signal.SIGKILL)
        end = await machine.ended(task)
        assert (end.status, end.message) == (TaskStatus.FAILED, "lost: its supervisor was killed")
        await machine.until(lambda: machine.members(task) == [], "the end of all")


@pytest.fixture
def deaf(engine: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """While this file is there, the engine answers nobody."""
    deaf, program = tmp_path / "deaf", tmp_path / "bin" / engine.name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ -e '{deaf}' ] && exit 1\nexec {shutil.which(engine.name)} \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    yield deaf
    deaf.unlink(missing_ok=True)


async def test_a_gpu_is_not_given_on_while_the_engine_does_not_say_what_became_of_the_container(
    machine, engine, deaf, monkeypatch
):
    monkeypatch.setattr("flow_core.agent.task_reader._RETRY_S", 0.2)
    task = await machine.running(await machine.submit("echo ready; sleep 300", image=IMAGE, instance_type="a100:2"))
    await machine.until(lambda: b"ready" in machine.written(task), "the start")
    deaf.touch()
    os.kill(machine.supervisor(task), signal.SIGKILL)
    await machine.until_task(task, lambda now: now.message.startswith("its supervisor was killed"))
    after = await machine.submit("true", instance_type="a100:2")
    await machine.until_task(after, lambda now: now.message.startswith("waiting"))
    assert (await machine.provider.get_task(task.task_id)).is_running
    deaf.unlink()
    assert (await machine.ended(task)).message == "lost: its supervisor was killed"
    assert engine.containers(task.task_id) == []
    assert (await machine.ended(after)).status is TaskStatus.COMPLETED


async def test_a_cancel_waits_for_an_engine_that_does_not_answer_unless_it_is_forced(machine, engine, deaf):
    task = await machine.running(await machine.submit("echo ready; sleep 300", image=IMAGE))
    await machine.until(lambda: b"ready" in machine.written(task), "the start")
    deaf.touch()
    await machine.provider.cancel_task(task.task_id)
    await machine.until_task(task, lambda now: now.message.startswith(f"{engine.name} does not report"))
    await machine.provider.cancel_task(task.task_id, force=True)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    await machine.until(lambda: machine.members(task) == [], "the end of its supervisor")


# The second attempt starts only after the check for a killed monitor, which its own answer then holds up.
_SLOW_PODMAN = """#!/bin/sh
case "$*" in
  run*-1-0*) sleep 3 ;;
  "container inspect"*-1-0) until [ "$({podman} "$@" 2>/dev/null)" = "running 0" ]; do sleep 0.1; done ;;
esac
exec {podman} "$@"
"""


@pytest.mark.parametrize("module_engine", [pytest.param("podman", marks=pytest.mark.needs("podman"))], indirect=True)
async def test_an_attempt_that_starts_slowly_is_not_taken_for_one_whose_monitor_was_killed(
    machine, engine, tmp_path, monkeypatch
):
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(_SLOW_PODMAN.format(podman=shutil.which("podman")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    line = "[ -e failed ] && exec sleep 1; touch failed; exit 1"
    end = await machine.ended(await machine.submit(line, image=IMAGE, retries={"max_retries": 1, "delay_s": 0}))
    assert (end.status, end.attempt) == (TaskStatus.COMPLETED, 1), end.message
