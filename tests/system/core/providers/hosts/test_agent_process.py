"""The agent's process behind a real SSH server: lost, idle, shared by many, or of another Python than before."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.command_lines import list_command_lines
from testbed.hosts_lab import Lab, ended, running, submit
from testbed.pythons import pythons
from testbed.waiting import until

from flow_core.config import Context, state_dir
from flow_core.errors import ProviderError, Unreachable
from flow_core.models.task import TaskStatus
from flow_core.providers.contract.listing import find_unreadable
from flow_core.providers.hosts import agent_connection, agent_process
from flow_core.providers.hosts.agent_client import AgentClient
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd", "linux")


def agent_of(provider: HostsProvider) -> AgentClient:
    return provider._tasks.hosts[0].agent


async def test_one_agent_answers_all_calls_of_a_client_and_ends_with_it(lab: Lab) -> None:
    provider = lab.start()
    await asyncio.gather(*(provider.list_tasks() for _ in range(3)), provider.instances.find({}))
    (pid,) = lab.agents()
    await provider.list_tasks()
    assert lab.agents() == [pid]
    await provider.close()
    await until(lambda: not lab.agents())
    with pytest.raises(Unreachable, match="are closed"):
        await agent_of(provider).call("facts")


async def test_the_next_call_starts_a_killed_agent_again(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "sleep 711"))
    for _ in range(2):
        lab.kill_agents()
        assert [one.task_id for one in await provider.list_tasks()] == [task.task_id]
        assert find_unreadable(await provider.list_tasks()) == ()
    # It was killed twice soon after its start, so each further call uses a new process.
    lab.kill_agents()
    assert await agent_of(provider).call("task", task_id=task.task_id)
    await until(lambda: not lab.agents())
    assert len(await provider.list_tasks()) == 1
    await until(lambda: not lab.agents())
    await provider.cancel_task(task.task_id)
    assert (await ended(provider, task)).status is TaskStatus.CANCELLED


async def test_an_idle_agent_ends_and_the_next_call_starts_it_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_connection, "_IDLE_S", 0.3)
    provider = lab.start()
    await provider.list_tasks()
    await until(lambda: not lab.agents())
    assert await agent_of(provider).call("facts")


async def test_a_cancelled_call_does_not_disturb_other_calls(lab: Lab) -> None:
    """Each call is larger than the window of the channel."""
    agent = agent_of(lab.start())
    await agent.call("facts")
    keys = [str(number) * (3 << 20) for number in range(6)]
    asked = [asyncio.create_task(agent.call("refuse_pruned_key", key=key)) for key in keys]
    await asyncio.sleep(0)
    for one in asked[::2]:
        one.cancel()
    answers = await asyncio.gather(*asked[1::2])
    assert answers == [None] * 3
    assert len(await asyncio.gather(*(agent.call("facts") for _ in range(9)))) == 9
    assert len(lab.agents()) == 1


async def test_closing_ends_every_waiting_call(lab: Lab) -> None:
    provider = lab.start()
    asked = asyncio.create_task(agent_of(provider).call("facts"))
    await asyncio.sleep(0)
    await provider.close()
    with suppress(Unreachable):  # the answer may have come before
        await asked
    assert not asked.cancelled()


async def test_a_frame_of_many_megabytes_is_answered_and_one_above_the_limit_is_refused(lab: Lab) -> None:
    agent = agent_of(lab.start())
    assert await agent.call("refuse_pruned_key", key="x" * (20 << 20)) is None
    with pytest.raises(ProviderError, match="the request can't be sent to 'one': the message is longer than 64 MiB"):
        await agent.call("refuse_pruned_key", key="x" * (64 << 20))
    assert await agent.call("facts")


async def test_an_unknown_call_is_refused_with_a_sentence(lab: Lab) -> None:
    with pytest.raises(ProviderError, match="the agent on 'one' does not know the call dance: it is older than this"):
        await agent_of(lab.start()).call("dance")


async def test_a_known_python_that_is_gone_or_broken_is_searched_for_again(lab: Lab) -> None:
    provider = lab.start()
    await provider.list_tasks()
    (kept,) = (state_dir() / "hosts" / "python").iterdir()
    good = json.loads(kept.read_text())["python"]
    broken = lab.servers[0].home / "broken"
    broken.write_text("#!/bin/sh\necho oh no >&2\nexit 1\n")
    broken.chmod(0o755)
    for known in (str(broken), str(broken) + "-and-gone", "\x07", 5):
        kept.write_text(json.dumps({"version": 1, "python": known}))
        assert await lab.open().list_tasks() == ()
        assert json.loads(kept.read_text())["python"] == good


async def test_a_python_that_hangs_is_forgotten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = lab.start()
    await provider.list_tasks()
    (kept,) = (state_dir() / "hosts" / "python").iterdir()
    stuck = lab.servers[0].home / "stuck"
    stuck.write_text("#!/bin/sh\nexec sleep 618\n")
    stuck.chmod(0o755)
    kept.write_text(json.dumps({"version": 1, "python": str(stuck)}))
    fresh = lab.open()
    with monkeypatch.context() as patch:
        patch.setattr(agent_process, "_LAUNCH_S", 0.5)
        with pytest.raises(Unreachable, match=r"'one' did not start the agent within 0\.5 s; try again"):
            await agent_of(fresh).call("facts")
    assert await agent_of(fresh).call("facts")


@pytest.mark.parametrize("python", ["/no/such/python", "sh"])
async def test_a_python_setting_that_names_no_python_is_refused_with_a_sentence(lab: Lab, python: str) -> None:
    lab.start()
    provider = lab.open(replace(lab.context, settings={**lab.context.settings, "python": python}))
    with pytest.raises(ProviderError, match=r"the python: of 'one' is no Python 3\.8 or newer there; name another"):
        await provider.list_tasks()


@pytest.mark.needs("pythons")
@pytest.mark.parametrize("version", [(3, 8), (3, 9)])
async def test_a_task_runs_on_a_machine_with_an_old_python(lab: Lab, tmp_path: Path, version: tuple[int, int]) -> None:
    lab.start()
    code = tmp_path / "code"
    code.mkdir()
    (code / "say").write_text("sent\n")
    provider = lab.open(replace(lab.context, settings={**lab.context.settings, "python": pythons()[version]}))
    task = await submit(
        provider, "cat say; echo $CUDA_VISIBLE_DEVICES; exit 3", instance_type="a100", code_root=str(code),
        upload_code=True, retries=1, volumes=[{"name": "data", "size_gb": 1}],
    )  # fmt: skip
    found = await ended(provider, task)
    assert (found.status, found.exit_code, found.attempt) == (TaskStatus.FAILED, 3, 1)
    assert lab.log(found) == b"sent\n0\n"
    assert [volume.name for volume in await provider.volumes.list()] == ["data"]
    assert agent_of(provider).greeting["python"] == pythons()[version]


async def test_a_task_has_the_mask_and_the_signals_of_a_login_and_keeps_its_secrets(lab: Lab) -> None:
    before = os.umask(0o027)
    try:
        provider = lab.start()
    finally:
        os.umask(before)
    secret = "hunter2-" + "x" * 5000
    command = "umask; touch made; ls -l made; grep SigIgn /proc/self/status; echo ${#TOKEN}; exec sleep 719"
    task = await running(provider, await submit(provider, command, env={"TOKEN": secret}))
    await until(lambda: lab.log(task).endswith(b"\n%d\n" % len(secret)))
    mask, made, ignored, _ = lab.log(task).decode().splitlines()
    assert int(mask, 8) == 0o027
    assert made.startswith("-rw-r-----")
    signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP)
    assert [one for one in signals if int(ignored.split()[1], 16) & 1 << one - 1] == []
    assert not [line for _, line in list_command_lines() if b"hunter2" in line]
    folder = lab.tasks() / task.task_id
    assert [path.stat().st_mode & 0o777 for path in (lab.root(), folder, folder / "spec.json")] == [0o700, 0o700, 0o600]
    await provider.cancel_task(task.task_id, force=True)


async def test_a_notice_names_the_folder_of_tasks_of_an_earlier_version(lab: Lab) -> None:
    provider = lab.start()
    host = os.uname().nodename
    old = lab.servers[0].home / ".local/state/flow/hosts" / host
    (old / "tasks/task_aaaaaaaaaa").mkdir(parents=True)
    (old / "tasks/task_bbbbbbbbbb").mkdir()
    listed = await provider.list_tasks()
    assert find_unreadable(listed) == (
        f"one: an earlier flow left 2 tasks in ~/.local/state/flow/hosts/{host}, which this one can't read; cancel them"
        " with that one, or remove the folder once none of them runs",
    )
    shutil.rmtree(old)
    await ended(provider, await submit(provider, "true"))
    assert find_unreadable(await provider.list_tasks()) == ()


async def test_a_state_folder_that_others_can_write_to_is_refused_with_a_sentence(lab: Lab) -> None:
    provider = lab.start()
    await provider.list_tasks()
    folder = lab.root() / "bin"
    await provider.close()
    folder.chmod(0o777)
    with pytest.raises(ProviderError, match=rf"'one' can't keep tasks safely: others can write to '{folder}'; remove"):
        await lab.open(Context("lab", "hosts", lab.context.settings)).list_tasks()
    folder.chmod(0o700)
