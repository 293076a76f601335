"""Tasks of several instances: each is a rank of its own on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from testbed.specs import task_spec

from flow_core import AsyncFlow, TaskConfig
from flow_core.agent.supervisor.rank_environment import RANK_VARIABLES, rank_environment, select_rank_gpus
from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound
from flow_core.logs.log_id import LogId
from flow_core.models.retries import Retries
from flow_core.models.task import TaskStatus


async def _outputs(machine, task):
    addresses = await machine.provider.logs.addresses(task.task_id)
    return [(await machine.provider.logs.open(address)).log.read_bytes() for address in addresses]


def _told(output: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in output.decode().splitlines())
    return {name: value for name, _, value in lines if name in RANK_VARIABLES | {"CUDA_VISIBLE_DEVICES"}}


async def test_each_rank_is_told_its_place_and_sees_only_its_own_gpu(machine):
    end = await machine.ended(await machine.submit("env", num_instances=2, instance_type="a100"))
    assert (end.status, end.exit_code, end.num_instances) == (TaskStatus.COMPLETED, 0, 2)
    told = [_told(output) for output in await _outputs(machine, end)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in told] == ["0", "1"]
    port = told[0]["MASTER_PORT"]
    for rank, one in enumerate(told):
        assert one["RANK"] == one["GROUP_RANK"] == one["NODE_RANK"] == one["FLOW_NODE_RANK"] == str(rank)
        assert one["PET_NODE_RANK"] == str(rank)
        assert one["WORLD_SIZE"] == one["NUM_NODES"] == one["FLOW_NUM_NODES"] == one["PET_NNODES"] == "2"
        assert (one["LOCAL_RANK"], one["LOCAL_WORLD_SIZE"], one["GPU_COUNT"]) == ("0", "1", "1")
        assert {one[name] for name in ("MASTER_ADDR", "PET_MASTER_ADDR", "HEAD_NODE_IP", "FLOW_MAIN_IP")} == {
            "127.0.0.1"
        }
        assert one["MASTER_PORT"] == one["PET_MASTER_PORT"] == port


async def test_a_single_instance_is_told_that_it_is_alone_and_nothing_that_breaks_a_launcher(machine):
    end = await machine.ended(await machine.submit("env", instance_type="a100:2"))
    (output,) = await _outputs(machine, end)
    told = _told(output)
    assert (told["NUM_NODES"], told["NODE_RANK"], told["GPU_COUNT"]) == ("1", "0", "2")
    assert not [name for name in told if name.startswith(("PET_", "MASTER_", "RANK", "WORLD_SIZE", "LOCAL_", "GROUP_"))]


async def test_what_the_user_sets_wins_over_what_a_rank_is_told(machine):
    end = await machine.ended(await machine.submit("env", num_instances=2, env={"WORLD_SIZE": "7", "NODE_RANK": "x"}))
    assert [(one["WORLD_SIZE"], one["NODE_RANK"]) for one in map(_told, await _outputs(machine, end))] == [
        ("7", "x"),
        ("7", "x"),
    ]


def test_in_manual_mode_a_rank_is_told_only_its_number_and_how_many_there_are():
    env = rank_environment(task_spec(ranks=3, distributed_mode="manual"), 2, 1, 29500)
    assert env == {"FLOW_NODE_RANK": "2", "FLOW_NUM_NODES": "3"}


def test_gpus_are_shared_out_in_order_and_none_twice():
    gpus = ["a", "b", "c", "d", "e", "f"]
    assert [select_rank_gpus(gpus, rank, 3) for rank in range(3)] == [["a", "b"], ["c", "d"], ["e", "f"]]
    assert select_rank_gpus([], 1, 3) == []


async def test_more_gpus_than_all_ranks_can_have_are_refused(machine):
    with pytest.raises(CapacityError, match=r"1xa100 for each of 3 instances .* 2 x a100"):
        await machine.submit("true", num_instances=3, instance_type="a100")
    assert await machine.provider.list_tasks() == ()


async def test_the_gpus_of_all_ranks_are_had_together_or_not_at_all(machine):
    first = await machine.running(await machine.submit("sleep 300", instance_type="a100"))
    both = await machine.submit("true", num_instances=2, instance_type="a100")
    waiting = await machine.until_task(both, lambda now: bool(now.message))
    assert waiting.message == "waiting for 2 x a100: 1 of 2 free"
    await machine.provider.cancel_task(first.task_id)
    assert (await machine.ended(both)).status is TaskStatus.COMPLETED


async def test_ten_ranks_with_ten_thousand_lines_each_arrive_complete(machine):
    task = await machine.submit('seq 1 10000 | sed "s/^/$NODE_RANK /"; echo end >&2', num_instances=10)
    end = await machine.ended(task)
    assert end.status is TaskStatus.COMPLETED
    outputs = await _outputs(machine, task)
    assert len(outputs) == 10
    for rank, output in enumerate(outputs):
        lines = output.decode().splitlines()
        lines.remove("end")
        assert lines == [f"{rank} {n}" for n in range(1, 10001)]


async def test_a_hundred_ranks_run_where_few_files_may_be_open(machine):
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        task = await machine.submit('echo "$NODE_RANK $(ulimit -Sn)"', num_instances=100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED
    assert [output.split() for output in await _outputs(machine, task)] == [[b"%d" % n, b"200"] for n in range(100)]


async def test_a_rank_that_fails_ends_the_others_and_is_named(machine):
    task = await machine.submit('[ "$NODE_RANK" = 2 ] && exit 3; sleep 300 & sleep 300', num_instances=4)
    end = await machine.ended(task)
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 3)
    assert end.message == "rank 2 exited with 3; the others were stopped"
    await machine.until(lambda: not machine.members(task), "all processes gone")


async def test_a_rank_that_is_killed_is_told_by_its_signal(machine):
    task = await machine.running(await machine.submit("sleep 300", num_instances=3))
    os.kill(task.provider_metadata["pids"][1], signal.SIGKILL)
    end = await machine.ended(task)
    assert (end.exit_code, end.message) == (137, "rank 1 was killed by SIGKILL; the others were stopped")


async def test_a_task_of_several_ranks_is_completed_when_the_last_one_is(machine, tmp_path):
    task = await machine.submit('[ "$NODE_RANK" = 1 ] || exit 0; until [ -e go ]; do sleep 0.02; done', num_instances=3)
    await machine.running(task)
    pids = task.provider_metadata.get("pids") or (await machine.running(task)).provider_metadata["pids"]
    await machine.until(lambda: [machine.is_alive(pid) for pid in pids] == [False, True, False], "two have ended")
    assert (await machine.provider.get_task(task.task_id)).is_running
    (tmp_path / "go").touch()
    assert (await machine.ended(task)).status is TaskStatus.COMPLETED


async def test_cancel_ends_every_rank(machine):
    task = await machine.running(await machine.submit("trap '' TERM; sleep 300 & wait; sleep 300", num_instances=3))
    assert "the main processes of 2 other instances" in machine.provider.describe_cancel(task)
    await machine.provider.cancel_task(task.task_id)
    assert (await machine.ended(task)).status is TaskStatus.CANCELLED
    await machine.until(lambda: not machine.members(task), "all processes gone")


async def test_a_cancelled_task_tells_the_exit_code_of_a_rank_that_had_not_ended(machine):
    task = await machine.running(await machine.submit('[ "$NODE_RANK" = 0 ] || exec sleep 300', num_instances=2))
    first = task.provider_metadata["pid"]
    await machine.until(lambda: not machine.is_alive(first), "rank 0 has ended")
    await machine.provider.cancel_task(task.task_id)
    end = await machine.ended(task)
    assert (end.status, end.exit_code, end.message) == (TaskStatus.CANCELLED, 143, "killed by SIGTERM")


async def test_the_run_time_limit_ends_every_rank(machine):
    end = await machine.ended(await machine.submit("sleep 300", num_instances=2, max_run_time_hours=0.0001))
    assert end.status is TaskStatus.FAILED
    assert "max_run_time_hours" in end.message
    await machine.until(lambda: not machine.members(end), "all processes gone")


async def test_ranks_whose_supervisor_was_killed_are_lost_and_leave_nothing(machine):
    task = await machine.running(
        await machine.submit("env -i sleep 300 & sleep 300", num_instances=2, instance_type="a100")
    )
    os.kill(machine.supervisor(task), signal.SIGKILL)
    end = await machine.ended(task)
    assert (end.status, end.message) == (TaskStatus.FAILED, "lost: its supervisor was killed")
    await machine.until(lambda: not machine.members(task), "all processes gone")
    assert not any(map(machine.is_alive, task.provider_metadata["pids"]))
    assert (await machine.ended(await machine.submit("true", instance_type="a100:2"))).status is TaskStatus.COMPLETED


async def test_a_command_that_no_rank_can_run_names_the_rank(machine):
    end = await machine.ended(await machine.submit(["no-such-command-here"], num_instances=2))
    assert (end.status, end.exit_code) == (TaskStatus.FAILED, 127)
    assert end.message.startswith("rank 0: can't run")


async def test_a_client_reads_the_log_of_the_rank_and_attempt_asked_for(machine):
    async with AsyncFlow("local") as flow:
        config = TaskConfig(command='echo "$NODE_RANK"; [ -e again ] || { touch again; exit 1; }', num_instances=2)
        task = await (await flow.run(config.model_copy(update={"retries": Retries(max_retries=3, delay_s=0)}))).wait(20)
        assert task.status is TaskStatus.COMPLETED
        assert [await flow.logs(task.task_id, rank=rank) for rank in range(2)] == ["0\n", "1\n"]
        assert await flow.logs(task.task_id, attempt=0, rank=1) in ("1\n", "")
        for fields in ({"rank": 2}, {"attempt": 7}):
            with pytest.raises(NotFound):
                await flow.logs(task.task_id, **fields)


async def test_a_command_runs_in_the_rank_asked_for(machine):
    task = await machine.running(await machine.submit("sleep 300", num_instances=2))
    done = await machine.provider.remote.run(task.task_id, "echo at $NODE_RANK", node=1)
    assert (done.exit_code, done.stdout) == (0, b"at 1\n")


async def test_a_rank_that_there_is_not_has_no_log(machine):
    task = await machine.ended(await machine.submit("true", num_instances=2))
    assert [one.rank for one in await machine.provider.logs.addresses(task.task_id)] == [0, 1]
    for attempt, rank in ((0, 2), (1, 0), (-1, 0), (0, -1)):
        with pytest.raises(NotFound):
            await machine.provider.logs.open(LogId("local", task.task_id, attempt, rank))


async def test_a_task_submitted_by_a_rank_is_told_nothing_of_its_neighbours(machine):
    script = (
        "import asyncio, os\n"
        "from flow_core import AsyncFlow\n"
        "async def main():\n"
        "    async with AsyncFlow('local') as flow:\n"
        "        await (await flow.submit('env')).wait()\n"
        "os.environ['NODE_RANK'] == '0' and asyncio.run(main())\n"
    )
    outer = await machine.submit([sys.executable, "-c", script], num_instances=2, env={"PYTHONPATH": os.getcwd()})
    await machine.ended(outer)
    (inner,) = [one for one in await machine.provider.list_tasks() if one.task_id != outer.task_id]
    (output,) = await _outputs(machine, await machine.ended(inner))
    assert "RANK" not in _told(output)
    assert _told(output)["NUM_NODES"] == "1"


async def test_both_streams_of_every_rank_can_be_followed_while_they_run(machine):
    task = await machine.running(await machine.submit("echo $NODE_RANK; sleep 300", num_instances=2))
    for rank in range(2):
        files = await machine.provider.logs.open(LogId("local", task.task_id, 0, rank))
        await machine.until(lambda files=files: files.log.read_bytes() != b"", "the rank's output")
        assert files.log.read_bytes() == b"%d\n" % rank
    await machine.provider.cancel_task(task.task_id, force=True)
    await asyncio.wait_for(machine.ended(task), 30)


async def test_a_shell_enters_the_rank_asked_for(machine):
    task = await machine.running(await machine.submit("[ $NODE_RANK = 0 ] || sleep 300", num_instances=2))
    shell = await machine.provider.shells.open(task.task_id, columns=80, rows=24, node=1, command="echo at $NODE_RANK")
    try:
        assert "node 1" in shell.title
        assert b"at 1" in b"".join([piece async for piece in shell.read()])
    finally:
        await shell.close()
    for node in (2, -1):
        with pytest.raises(ConfigError) as caught:
            await machine.provider.shells.open(task.task_id, columns=80, rows=24, node=node)
        assert caught.value.field == "node"
    first = machine.record(task, "state")["children"][0]["pid"]
    await machine.until(lambda: not machine.is_alive(first), "rank 0 has ended")
    with pytest.raises(Conflict, match="node 0"):
        await machine.provider.shells.open(task.task_id, columns=80, rows=24)
