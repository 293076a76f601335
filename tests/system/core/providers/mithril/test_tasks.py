"""Tasks on booted machines of the cloud: logs, exit status, ranks, code, volumes and access."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from testbed.api_description import check_requests
from testbed.cloud import Cloud
from testbed.waiting import DEADLINE_S, until

from flow_core import AsyncFlow, TaskConfig
from flow_core.client.task import AsyncTask
from flow_core.config import Context
from flow_core.errors import ConfigError, Conflict, Unsupported
from flow_core.providers.mithril import deferred_actions

pytestmark = pytest.mark.needs("user-namespaces")
COUNTING = "n=0; while sleep 0.1; do n=$((n+1)); echo tick $n; done"


@pytest.fixture
async def cloud(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    monkeypatch.setattr(deferred_actions, "_POLL_S", 0.1)
    one = Cloud(preempt_notice_s=4.0)
    with check_requests():
        yield one
    one.close()


@pytest.fixture
async def flow(cloud: Cloud) -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow(cloud.context) as flow:
        yield flow


async def submit(flow: AsyncFlow, command: str, **fields: Any) -> AsyncTask:
    usual = {"command": command, "instance_type": "1xa100", "upload_code": False}
    return await flow.run(TaskConfig.parse(usual | fields))


async def running(task: AsyncTask) -> AsyncTask:
    await until(lambda: _is(task, "running"))
    return task


async def _is(task: AsyncTask, *statuses: str) -> bool:
    return (await task.refresh()).status in statuses


async def test_a_log_that_is_followed_says_that_its_task_is_preempted_and_goes_on_when_it_runs_again(
    cloud: Cloud, flow: AsyncFlow
) -> None:
    task = await running(await submit(flow, COUNTING))
    lines: list[str] = []

    async def follow() -> None:
        async for line in await flow.logs(task.task_id, follow=True):
            lines.append(line)

    following = asyncio.create_task(follow())
    await until(lambda: _said(lines, "tick 3"))
    cloud.preempt(task.task_id)
    await until(lambda: _said(lines, "[flow] preempting: this machine ends at "))
    await until(lambda: _is(task, "pending"))
    cloud_again = "[flow] the machine has started again, and the command with it"
    await until(lambda: _said(lines, cloud_again))
    await until(lambda: _said(lines[lines.index(cloud_again) :], "tick 2"))
    before = [line for line in lines[: lines.index(cloud_again)] if line.startswith("tick")]
    assert before == [f"tick {number + 1}" for number in range(len(before))]
    await task.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await following


async def _said(lines: list[str], words: str) -> bool:
    return any(line.startswith(words) for line in lines)


async def test_the_log_of_a_task_can_be_read_after_its_machines_are_gone(cloud: Cloud, flow: AsyncFlow) -> None:
    task = await submit(flow, "for n in $(seq 5000); do echo line $n; done; exit 3")
    await until(lambda: _is(task, "failed"))
    assert task.record.message.startswith("failed, still billing $")
    assert task.record.billed_usd_per_hour is not None
    await task.cancel()
    await until(lambda: _is_free(task))
    assert (task.status, task.record.exit_code, task.record.message) == ("failed", 3, "")
    async with AsyncFlow(cloud.context) as later:
        assert (await later.logs(task.task_id, tail=10_000)).splitlines() == [f"line {n}" for n in range(1, 5001)]
        assert (await later.list_tasks())[0].status == "failed"


async def _is_free(task: AsyncTask) -> bool:
    return (await task.refresh()).record.billed_usd_per_hour is None


async def test_a_list_shows_the_end_of_a_task_without_asking_for_the_task(flow: AsyncFlow) -> None:
    task = await submit(flow, "true")
    await until(lambda: _listed(flow, task.task_id, "completed"))


async def _listed(flow: AsyncFlow, task_id: str, status: str) -> bool:
    return [(one.task_id, one.status) for one in await flow.list_tasks()] == [(task_id, status)]


async def test_every_node_knows_its_rank_and_has_a_log(flow: AsyncFlow) -> None:
    task = await submit(flow, 'echo "$RANK of $WORLD_SIZE at $MASTER_ADDR"', num_instances=2)
    await until(lambda: _is(task, "completed"))
    logs = [(await flow.logs(task.task_id, rank=rank)).split() for rank in (0, 1)]
    assert [words[0] for words in logs] == ["0", "1"]
    assert {words[2] for words in logs} == {"2"}
    assert len({words[4] for words in logs}) == 1
    for node in (0, 1):
        done = await flow.get_remote_operations().run(task.task_id, "echo $RANK", node=node)
        assert done.stdout == b"%d\n" % node


@pytest.mark.parametrize("strategy", ["auto", "scp"])
async def test_code_is_there_before_the_command_runs(flow: AsyncFlow, tmp_path: Path, strategy: str) -> None:
    (tmp_path / "train.sh").write_text("echo trained with $1")
    fields = {"upload_code": True, "code_root": str(tmp_path), "upload_strategy": strategy}
    task = await submit(flow, "sh train.sh 8", **fields)
    await until(lambda: _is(task, "completed", "failed"))
    assert await flow.logs(task.task_id) == "trained with 8\n"


async def test_code_that_is_too_large_for_the_script_follows_the_bid(flow: AsyncFlow, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(range(256)) * 8000)
    task = await submit(flow, "wc -c <data", upload_code=True, code_root=str(tmp_path))
    await until(lambda: _is(task, "completed", "failed"))
    assert (await flow.logs(task.task_id)).strip() == "2048000"


async def test_a_volume_that_is_attached_later_is_found_where_it_was_asked_for(flow: AsyncFlow) -> None:
    task = await running(await submit(flow, "sleep 1000"))
    run = flow.get_remote_operations().run
    for name, interface in (("shared", "file"), ("own", "block")):
        await flow.create_volume(1, name, interface)
        assert await flow.attach_volume(name, task.task_id, f"/mnt/{name}-here") == f"/mnt/{name}-here"
        await running(task)
        await until(partial(_works, run, task.task_id, f"echo kept >/mnt/{name}-here/file"))
    assert [(one.name, one.mount_path) for one in task.record.volumes] == [
        ("shared", "/mnt/shared-here"),
        ("own", "/mnt/own-here"),
    ]


async def _works(run: Callable[..., Awaitable[Any]], task_id: str, command: str) -> bool:
    return (await run(task_id, command)).exit_code == 0


async def test_secrets_reach_the_command_and_stand_in_no_list_of_processes(flow: AsyncFlow) -> None:
    task = await running(await submit(flow, "echo $TOKEN; sleep 1000", env={"TOKEN": "hunter2"}))
    await until(lambda: _logged(flow, task.task_id, "hunter2\n"))
    listed = await flow.get_remote_operations().run(task.task_id, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert b"hunter2" not in listed.stdout
    assert "hunter2" not in repr(task.record)


async def test_what_the_startup_script_wrote_can_be_read(flow: AsyncFlow) -> None:
    task = await running(await submit(flow, "echo mine; sleep 1000"))
    assert await flow.logs(task.task_id, source="startup") == ""
    wrote = "printf 'one\\ntwo\\n' >> $FLOW_NODE_ROOT/var/log/foundry/startup_script.log"
    assert (await flow.get_remote_operations().run(task.task_id, wrote)).exit_code == 0
    assert await flow.logs(task.task_id, source="startup") == "one\ntwo\n"
    assert await flow.logs(task.task_id, source="host", tail=1) == "two\n"
    with pytest.raises(ConfigError, match="source: the startup log can't be followed; read it again"):
        await flow.logs(task.task_id, follow=True, source="startup")
    with pytest.raises(ConfigError, match=r"node: task .* has 1, counted from 0"):
        await flow.logs(task.task_id, source="startup", rank=1)
    await task.cancel()
    await until(lambda: _is(task, "cancelled"))
    with pytest.raises(Conflict, match="has no machine that could be read; its bid is terminated"):
        await flow.logs(task.task_id, source="startup")


async def _logged(flow: AsyncFlow, task_id: str, text: str) -> bool:
    return await flow.logs(task_id) == text


async def test_the_ssh_command_enters_the_task_as_it_stands(flow: AsyncFlow, tmp_path: Path) -> None:
    task = await running(await submit(flow, "sleep 1000", env={"WORD": "inside"}))
    command = await flow.ssh_command(task.task_id)
    assert "HostKeyAlias=inst_" in command
    assert "UserKnownHostsFile=" in command
    words = [word for word in shlex.split(command) if word != "-t"]
    ssh = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        output, errors = await ssh.communicate(b"echo $WORD; pwd\n")
    assert output.splitlines()[-2:] == [b"inside", b"/workspace"], errors


async def test_a_port_of_a_task_is_reached_by_a_tunnel(flow: AsyncFlow) -> None:
    command = (
        'python3 -c "'
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "while True: c, _ = s.accept(); c.sendall(b'from the task'); c.close()\""
    )
    task = await running(await submit(flow, command, ports=[8080]))
    await until(lambda: _has_line(flow, task.task_id))
    port = int(await flow.logs(task.task_id))
    assert task.record.endpoints == {}
    tunnel = await flow.get_ssh_tunnel_manager().open(task.task_id, port)
    reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.local_port)
    assert await reader.read() == b"from the task"
    writer.close()


async def _has_line(flow: AsyncFlow, task_id: str) -> bool:
    return (await flow.logs(task_id)).endswith("\n")


async def test_metrics_exist_for_the_machine_of_a_task_but_not_for_an_offer(flow: AsyncFlow) -> None:
    task = await running(await submit(flow, "sleep 1000"))
    async with aclosing(flow.task_metrics(task.task_id)) as samples:  # type: ignore[type-var]
        assert (await anext(samples)).cpu_count is not None
    offers = await flow.find_instances({})
    with pytest.raises(Unsupported, match="look at the metrics of a task"):
        await anext(flow.instance_metrics(offers[0].allocation_id))


async def test_a_dev_vm_is_started_once_and_runs_commands(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = Context("cloud", "mithril", {**cloud.context.settings, "instance_type": "1xa100"})
    async with AsyncFlow(usual) as flow, flow.dev_context(auto_stop=True) as dev:
        vm = await dev.ensure_started()
        assert (await dev.exec("echo out; echo err >&2; exit 4"), *capfd.readouterr()) == (4, "out\n", "err\n")
        async with AsyncFlow(usual) as other:
            assert (await other.dev_context().start("1xa100")).task_id == vm.task_id
        again = await dev.reset()
        assert again.task_id != vm.task_id
        assert await dev.exec(["test", "-d", "/workspace"]) == 0
        assert (await dev.status())["vm"]["id"] == again.task_id
    assert {row["status"] for row in cloud.has("/v2/spot/bids")} == {"Terminated"}
