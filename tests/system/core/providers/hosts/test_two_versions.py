"""Two versions of this program share a host: its records, and the protocol of the agent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until
from testbed.other_version import MORE_WORDS, NEWER, OtherVersion

from flow_core.agent import protocol
from flow_core.agent.refusals import Refused
from flow_core.models.task import TaskStatus
from flow_core.providers.over_agent.refusals import to_error

pytestmark = pytest.mark.needs("sshd")


@pytest.fixture
async def newer(lab: Lab, tmp_path: Path) -> OtherVersion:
    """The newer version; its agent is on the host beside ours."""
    await lab.start().list_tasks()
    made = OtherVersion(tmp_path / "newer", MORE_WORDS, lab.context)
    assert made.statuses() == {}
    return made


def agents(lab: Lab) -> tuple[Path, Path]:
    """Returns the copy of our agent and that of the newer one."""
    found = sorted(lab.root().glob("bin/agent-*"), key=lambda home: '"count"' in calls_of(home))
    assert ['"count"' in calls_of(home) for home in found] == [False, True]
    return found[0], found[1]


def calls_of(home: Path) -> str:
    return (home / "flow_core/agent/calls.py").read_text(encoding="utf-8")


def swap_agents(lab: Lab) -> None:
    """Makes each version use the agent of the other."""
    ours, theirs = agents(lab)
    aside = ours.rename(ours.with_name("aside"))
    theirs.rename(ours)
    aside.rename(theirs)


@pytest.mark.parametrize("is_swapped", [False, True], ids=["their own agents", "the other's agent"])
async def test_tasks_of_both_versions_wait_in_one_queue_and_no_gpu_is_used_twice(
    lab: Lab, newer: OtherVersion, is_swapped: bool
) -> None:
    if is_swapped:
        swap_agents(lab)
    provider = lab.open()
    theirs = await running(provider, await provider.get_task(newer.submit("sleep 1000", 2)))
    ours = await submit(provider, "sleep 1000", instance_type="a100:2")
    await until(provider, ours, lambda now: "0 of 2 free" in now.message)
    last = await provider.get_task(newer.submit("sleep 1000", 2))
    await until(provider, last, lambda now: "1 task ahead" in now.message)
    assert newer.statuses() == {theirs.task_id: "running", ours.task_id: "pending", last.task_id: "pending"}
    assert (await provider.remote.run(theirs.task_id, "echo $FLOW_TASK_ID")).stdout.decode().strip() == theirs.task_id
    await provider.cancel_task(theirs.task_id)
    assert (await ended(provider, theirs)).status is TaskStatus.CANCELLED

    seen = await running(provider, ours)
    assert (NEWER in theirs.message, NEWER in seen.message) == (not is_swapped, is_swapped)
    assert newer(f"[flow.shell({ours.task_id!r}, 'echo $FLOW_TASK_ID')]") == [ours.task_id, "0"]
    newer(f"[flow.cancel({ours.task_id!r})]")
    assert (await ended(provider, ours)).status is TaskStatus.CANCELLED
    await running(provider, last)
    await provider.cancel_task(last.task_id)
    await ended(provider, last)


async def test_an_agent_refuses_a_call_that_it_does_not_know_and_answers_the_others(
    lab: Lab, newer: OtherVersion
) -> None:
    older_home, newer_home = agents(lab)
    questions = [[1, "count", {}], [2, "changes", {"since": 0, "process": "", "shade": "dark"}]]
    greeting, count, changes = ask(newer_home, lab.root(), questions)
    assert (greeting[1]["protocol"], count) == (protocol.VERSION, [1, "ok", 0])
    greeting, count, changes = ask(older_home, lab.root(), questions)
    assert count == [1, "refused", "unknown_call", {"call": "count"}]
    assert changes[:2] == [2, "ok"]
    error = to_error(Refused(count[2], **count[3]), "'one'")
    assert "does not know the call count: it is older than this flow; close every flow" in str(error)


def ask(home: Path, root: Path, questions: list[list[Any]]) -> list[list[Any]]:
    """Returns the greeting of that agent and its answers in the order of the requests."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.serve import main; main()"
    argv = [sys.executable, "-I", "-S", "-c", code, str(home), str(root)]
    output = subprocess.run(
        argv, input=b"".join(map(protocol.encode_frame, questions)), capture_output=True, check=True
    ).stdout
    greeting, *answers = protocol.FrameDecoder().take(output)
    return [greeting, *sorted(answers, key=lambda answer: answer[0])]
