"""Machines that fail: killed servers, noisy shells, few sessions, hosts that are down."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.hosts_lab import Lab, ended, running, submit, until
from testbed.strict_sshd import strict_sshd
from testbed.waiting import DEADLINE_S

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.errors import HostKeyChanged, HostKeyUnknown, Unreachable
from flow_core.models.instance import AvailableInstance
from flow_core.models.task import TaskStatus
from flow_core.providers.hosts.provider import HostsProvider

pytestmark = pytest.mark.needs("sshd")


async def test_a_followed_log_loses_and_repeats_no_line_if_the_server_is_killed(lab: Lab) -> None:
    provider = lab.start()
    task = await submit(provider, "for n in $(seq 80); do echo line $n; sleep 0.02; done")
    async with AsyncFlow(lab.context) as flow:
        lines = []
        async for line in await flow.logs(task.task_id, follow=True):
            lines.append(line)
            if len(lines) == 20:
                lab.servers[0].stop(signal.SIGKILL)
                lab.servers[0].start()
    assert lines == [f"line {number}" for number in range(1, 81)]
    assert (await ended(provider, task)).exit_code == 0


async def test_a_task_goes_on_without_server_and_client(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "until [ -e ~/go ]; do sleep 0.02; done; exit 4"))
    await provider.close()
    lab.servers[0].stop(signal.SIGKILL)
    (lab.servers[0].home / "go").touch()
    lab.servers[0].start()
    found = await ended(lab.open(), task)
    assert (found.status, found.exit_code) == (TaskStatus.FAILED, 4)


async def test_a_machine_that_is_down_neither_fails_the_list_nor_holds_it_up(lab: Lab) -> None:
    provider = lab.start(2)
    first = await running(provider, await submit(provider, "sleep 631", region="one"))
    second = await running(provider, await submit(provider, "sleep 632", region="two"))
    lab.servers[1].pause()
    began = time.monotonic()
    lists = [await provider.list_tasks() for _ in range(4)]
    assert time.monotonic() - began < DEADLINE_S
    assert {task.task_id for task in lists[-1]} == {first.task_id, second.task_id}
    known = {task.task_id: task for task in lists[-1]}
    assert known[first.task_id].message == ""
    assert known[second.task_id].message.startswith("two doesn't answer since")
    assert known[second.task_id].is_running
    lab.servers[1].stop()
    row = await _row(provider, "two")
    assert row.status == "unreachable"
    assert (row.instance_type, row.available_quantity) == ("two", 0)
    assert "two" in row.description
    # The other machine can still be used.
    assert (await submit(provider, "true")).instances == ("one",)
    lab.servers[1].start()
    await until(provider, second, lambda now: now.message == "")


async def _row(provider: HostsProvider, name: str) -> AvailableInstance:
    return next(row for row in await provider.instances.find({}) if row.allocation_id == name)


async def test_if_no_machine_answers_the_list_fails(lab: Lab) -> None:
    provider = lab.start(2)
    await submit(provider, "true")
    for server in lab.servers:
        server.stop()
    with pytest.raises(Unreachable, match="none of the 2 machines can be reached"):
        await _until_refused(provider)
    with pytest.raises(Unreachable):
        await lab.open().list_tasks()


async def _until_refused(provider: HostsProvider) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        await provider.list_tasks()
        await asyncio.sleep(0.05)


async def test_a_server_that_allows_one_session_at_a_time_is_enough(lab: Lab) -> None:
    provider = lab.start(1, "MaxSessions 1")
    task = await submit(provider, "for n in 1 2 3 4 5; do echo $n; sleep 0.1; done")
    async with AsyncFlow(lab.context) as flow:
        lines, lists = await asyncio.gather(
            _lines(flow, task.task_id), asyncio.gather(*(provider.list_tasks() for _ in range(5)))
        )
    assert lines == ["1", "2", "3", "4", "5"]
    assert all(len(found) == 1 for found in lists)


async def _lines(flow: AsyncFlow, task_id: str) -> list[str]:
    return [line async for line in await flow.logs(task_id, follow=True)]


async def test_output_of_a_slow_login_shell_is_ignored(lab: Lab) -> None:
    provider = lab.start()
    noise = "printf '.\\nE task\\n\\033[2J\\377'; echo err >&2; sleep 0.3\n"
    for name in (".bashrc", ".profile", ".zshenv", ".bash_profile"):
        (lab.servers[0].home / name).write_text(noise)
    task = await ended(provider, await submit(provider, "echo quiet; exit 2"))
    assert task.exit_code == 2
    assert lab.log(task) == b"quiet\n"


async def test_two_clients_who_race_for_one_gpu_never_have_it_together(lab: Lab) -> None:
    first = lab.start(gpus="a100:1")
    second = lab.open(replace(lab.context, name="other"))
    command = "mkdir ~/held || echo together; sleep 0.05; rmdir ~/held"
    submitted = await asyncio.gather(
        *(submit((first, second)[number % 2], command, instance_type="a100") for number in range(8))
    )
    for task in submitted:
        assert (await ended(first, task)).status is TaskStatus.COMPLETED
        assert lab.log(task) == b""
    assert {task.context for task in await second.list_tasks()} == {"other"}
    assert len(await second.list_tasks()) == 8


async def test_an_unknown_host_key_is_refused_with_the_way_to_accept_it(lab: Lab) -> None:
    lab.start()
    lab.servers[0].known_hosts.write_text("")
    provider = lab.open()
    with pytest.raises(HostKeyUnknown, match="ssh one"):
        await provider.list_tasks()
    (row,) = await provider.instances.find({})
    assert row.status == "unreachable"
    assert "accept it with: ssh one" in row.description
    lab.servers[0].know()
    assert (await provider.instances.find({}))[0].status == "available"


async def test_a_changed_host_key_is_refused(lab: Lab) -> None:
    lab.start()
    lab.servers[0].stop()
    lab.servers[0].change_host_key()
    lab.servers[0].start()
    with pytest.raises(HostKeyChanged):
        await lab.open().list_tasks()
    lab.servers[0].know()


async def test_a_lost_reply_to_a_submit_makes_no_second_task(lab: Lab) -> None:
    """The server is killed once the machine has begun to create the task; the client sees only a lost connection."""
    provider = lab.start()
    await submit(provider, "true")
    tasks = lab.tasks()

    async def cut() -> None:
        deadline = time.monotonic() + DEADLINE_S
        while len([one for one in tasks.iterdir() if one.name.startswith("task_")]) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        lab.servers[0].stop(signal.SIGKILL)
        lab.servers[0].start()

    cutting = asyncio.create_task(cut())
    task = await submit(provider, "sleep 633")
    await cutting
    assert (await running(provider, task)).is_running
    assert len(await lab.open().list_tasks()) == 2


async def test_a_client_notices_a_killed_supervisor(lab: Lab) -> None:
    provider = lab.start()
    task = await running(provider, await submit(provider, "trap '' TERM; while :; do sleep 1; done"))
    os.kill(lab.supervisor(task), signal.SIGKILL)
    found = await until(provider, task, lambda now: now.message != "")
    assert found.message == "its supervisor was killed; its remaining processes are being ended"
    assert found.is_running
    await provider.cancel_task(task.task_id, force=True)
    assert (await ended(provider, task)).status is TaskStatus.CANCELLED


@pytest.mark.parametrize(
    "settings",
    [{"hostname": "a" * 64 + ".example"}, {"identity_file": "~nosuchuser/k"}],
    ids=["long label", "unknown home"],
)
async def test_a_machine_with_unusable_settings_fails_alone(lab: Lab, settings: dict[str, str]) -> None:
    lab.start()
    hosts = [*lab.context.settings["hosts"], {"name": "two", **settings}]
    provider = lab.open(Context("lab", "hosts", {"hosts": hosts}))
    task = await submit(provider, "true", region="one")
    assert [found.task_id for found in await provider.list_tasks()] == [task.task_id]
    assert (await _row(provider, "two")).status == "unreachable"
    assert (await _row(provider, "one")).status == "available"


@pytest.mark.parametrize(
    "settings",
    [
        {"hosts": ["slow"], "login_timeout_s": 0.3},
        {"hosts": [{"name": "slow", "login_timeout_s": 0.3}], "login_timeout_s": 600},
        {"hosts": [{"name": "slow", "login_timeout_s": 0.3, "identity_file": "~/none"}]},
    ],
    ids=["context", "machine", "machine with a key"],
)
async def test_a_login_without_prompts_ends_after_its_login_timeout(lab: Lab, settings: dict[str, object]) -> None:
    lab.start()
    server = lab.servers[0]
    async with strict_sshd(server.folder, server.host_key, "time") as there:
        config = Path.home() / ".ssh/config"
        config.write_text(
            f"Host slow\n  HostName 127.0.0.1\n  Port {there.port}\n  StrictHostKeyChecking no\n"
            "  UserKnownHostsFile /dev/null\n"
        )
        provider = lab.open(Context("lab", "hosts", settings))
        with pytest.raises(Unreachable, match=r"waited 0\.3 s for 'slow' to let you in"):
            await provider.list_tasks()


async def test_the_settings_of_a_machine_reach_its_proxy_command(lab: Lab) -> None:
    lab.start()
    server = lab.servers[0]
    config = Path.home() / ".ssh/config"
    written = server.home / "way"
    way = f"ProxyCommand sh -c 'echo %h %p %r > {written}; exec ssh -F none -W %h:%p nowhere.invalid'"
    config.write_text(f"Host box\n  {way}\n  User nobody\n  Port 1\n")
    box = {"name": "box", "hostname": "127.0.0.1", "port": server.port, "user": "someone"}
    provider = lab.open(Context("lab", "hosts", {"hosts": [box]}))
    with pytest.raises(Unreachable):
        await provider.list_tasks()
    assert written.read_text() == f"127.0.0.1 {server.port} someone\n"


@pytest.mark.needs("tcsh")
async def test_a_machine_whose_login_shell_is_tcsh_runs_tasks_as_any_other(lab: Lab, tmp_path: Path) -> None:
    force = tmp_path / "force"
    force.write_text('#!/bin/sh\nexec tcsh -c "$SSH_ORIGINAL_COMMAND"\n')
    force.chmod(0o755)
    provider = lab.start(1, f"ForceCommand {force}")
    task = await submit(provider, "echo 'a!b' \"$WORD\"\nexit 3", env={"WORD": "it's !x\nnext"})
    found = await ended(provider, task)
    assert (found.status, found.exit_code) == (TaskStatus.FAILED, 3)
    assert lab.log(found) == b"a!b it's !x\nnext\n"
