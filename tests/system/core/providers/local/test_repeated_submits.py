"""A submit that is asked for again: any answer may be lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.refusals import Refused
from flow_core.agent.submit import submit
from flow_core.agent.tasks import TaskStore
from flow_core.agent.volumes import VolumeStore
from flow_core.config import state_dir
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.local.submit import build_submit_request

_DIES = """
import json, os, signal, sys
from pathlib import Path
from flow_core.agent.layout import Layout
from flow_core.agent.submit import submit
from flow_core.agent.tasks import TaskStore
from flow_core.agent.volumes import VolumeStore

layout, request, moment = Layout(Path(sys.argv[1]), "local"), json.loads(sys.argv[2]), sys.argv[3]

def die(event, args):
    path = {"os.rename": f"/tasks/{request['task_id']}", "open": "/tasks"}[moment]
    if event == moment and str(args[event == "os.rename"]).endswith(path):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
submit(layout, request, TaskStore(layout), VolumeStore(layout, "", TaskStore(layout)))
"""


def _request(**fields: Any) -> dict[str, Any]:
    return build_submit_request(TaskConfig.parse({"command": "true", **fields}), {"gpus": "a100:2"})


def _layout() -> Layout:
    return Layout(state_dir().absolute() / "local" / get_machine_id(), "local")


def _submit(request: dict[str, Any]) -> str:
    layout, tasks = _layout(), TaskStore(_layout())
    return submit(layout, request, tasks, VolumeStore(layout, "", tasks))


async def test_a_submit_that_is_asked_again_after_a_lost_answer_makes_no_second_task(machine, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    request = _request(working_dir=str(work), volumes=[{"name": "weights", "size_gb": 1}])
    task_id = _submit(request)
    work.rmdir()
    assert _submit(request) == task_id == request["task_id"]
    assert [task.task_id for task in await machine.provider.list_tasks()] == [task_id]
    assert len(await machine.provider.volumes.list()) == 1


async def test_two_who_ask_at_the_same_time_make_one_task(machine):
    request = _request(volumes=[{"size_gb": 1}])
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(_submit, [request] * 2)) == {request["task_id"]}
    assert len(await machine.provider.list_tasks()) == 1
    assert len(await machine.provider.volumes.list()) == 1


def _die_while_submitting(request: dict[str, Any], moment: str) -> None:
    words = [sys.executable, "-c", _DIES, str(_layout().root), json.dumps(request), moment]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL


async def test_after_a_submit_was_killed_it_can_be_asked_again(machine):
    """The ticket that it left in the queue is in nobody's way."""
    request = _request(instance_type="a100:2", ports=[28461])
    _die_while_submitting(request, "os.rename")
    task = await machine.provider.get_task(_submit(request))
    other = await machine.submit("true", instance_type="a100:2")
    assert [(await machine.ended(one)).exit_code for one in (task, other)] == [0, 0]


async def test_a_submit_that_was_killed_when_the_task_was_there_is_finished_by_the_next_try(machine):
    request = _request()
    _die_while_submitting(request, "open")
    task = await machine.ended(await machine.provider.get_task(_submit(request)))
    assert (task.task_id, task.status) == (request["task_id"], TaskStatus.COMPLETED)
    assert len(await machine.provider.list_tasks()) == 1


@pytest.mark.needs("linux")
async def test_the_supervisor_of_a_submit_that_was_killed_or_refused_ends_without_the_task(machine):
    taken = await machine.running(await machine.submit("sleep 1000", ports=[28462]))
    killed, refused = _request(), _request(ports=[28462])
    _die_while_submitting(killed, "os.rename")
    with pytest.raises(Refused):
        _submit(refused)
    await machine.until(lambda: not _find_processes(killed) + _find_processes(refused), "their supervisors are gone")
    assert [task.task_id for task in await machine.provider.list_tasks()] == [taken.task_id]


def _find_processes(request: dict[str, Any]) -> list[Path]:
    """Returns the processes whose command names the task."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += [path] if request["task_id"].encode() in path.read_bytes() else []
    return found


async def test_a_submit_that_was_refused_can_be_asked_again(machine, tmp_path):
    request = _request(working_dir=str(tmp_path / "work"))
    with pytest.raises(Refused):
        _submit(request)
    (tmp_path / "work").mkdir()
    assert (await machine.ended(await machine.provider.get_task(_submit(request)))).exit_code == 0
