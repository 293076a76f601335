"""The logs of jobs on a real cluster: those of flow's scripts, and the files that Slurm writes for other scripts."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from testbed.slurm_cluster import GPU_PARTITION
from testbed.slurm_worlds import SlurmWorld
from testbed.tables import each
from testbed.waiting import DEADLINE_S, until
from testbed.worlds import Bench

from flow_core import AsyncFlow
from flow_core.errors import NotFound, Unsupported
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.slurm.log_sources import STDERR_OF_ARRAY

pytestmark = pytest.mark.needs("slurm", "sshd")


def world_of(bench: Bench) -> SlurmWorld:
    assert isinstance(bench.world, SlurmWorld)
    return bench.world


async def submit_by_hand(bench: Bench, script: str, *options: str) -> TaskRecord:
    """Submits a job as its user would on the login node, and returns it once it is listed."""
    world = world_of(bench)
    argv = ("sbatch", "--parsable", f"--chdir={world.folder}", f"--partition={GPU_PARTITION}", *options)
    job_id = world.cluster.run(*argv, user=world.user, stdin=f"#!/bin/sh\n{script}\n")

    async def find() -> TaskRecord | None:
        return next((task for task in await bench.provider.list_tasks() if task.task_id == job_id), None)

    return await until(find)


async def list_ranks(bench: Bench, task: TaskRecord) -> list[tuple[int, int]]:
    assert bench.provider.logs is not None
    return [(one.attempt, one.rank) for one in await bench.provider.logs.addresses(task.task_id)]


async def read(bench: Bench, task: TaskRecord, rank: int = 0, attempt: int | None = None) -> str:
    async with AsyncFlow(bench.world.context) as flow:
        return await flow.logs(task.task_id, rank=rank, attempt=attempt)


async def read_to_end(bench: Bench, task: TaskRecord, rank: int = 0) -> list[str]:
    async with AsyncFlow(bench.world.context) as flow, asyncio.timeout(DEADLINE_S):
        return [line async for line in await flow.logs(task.task_id, rank=rank, follow=True)]


async def test_each_rank_has_a_log(plain: Bench) -> None:
    task = await plain.ended(
        await plain.submit("echo $FLOW_NODE_RANK $SLURMD_NODENAME; echo e >&2", num_instances=2, region=GPU_PARTITION)
    )
    assert await list_ranks(plain, task) == [(0, 0), (0, 1)]
    for rank, node in enumerate(task.instances):
        assert sorted((await read(plain, task, rank)).split("\n")) == ["", f"{rank} {node}", "e"]
    with pytest.raises(NotFound, match="no log of attempt 0, rank 2"):
        await read(plain, task, 2)
    assert plain.provider.logs is not None
    with pytest.raises(Unsupported, match=r"^source: "):
        await plain.provider.logs.startup(task.task_id, 0)


async def test_each_attempt_of_a_requeued_job_has_a_log(plain: Bench) -> None:
    task = await plain.submit("echo begun; [ $FLOW_TRY ] || sleep 600", region=GPU_PARTITION)
    await until(lambda: _has_text(plain, task, "begun\n"))
    world = world_of(plain)
    world.cluster.run("scontrol", "requeue", task.task_id, user=world.user)
    await plain.until(task, lambda now: now.attempt == 1)
    first = LogId(task.context, task.task_id, 0)
    assert plain.provider.logs is not None
    await until(lambda: plain.provider.logs.is_complete(first))  # type: ignore[union-attr]
    log = Path(task.provider_metadata["folder"]) / "attempt-1" / "rank-0.log"
    await start_again(plain, task.task_id, log, "begun\n")
    running = await plain.until(task, lambda now: now.is_running and now.attempt == 1)
    assert await list_ranks(plain, running) == [(0, 0), (1, 0)]
    await until(lambda: _has_text(plain, task, "begun\n"))
    assert (await read(plain, task, attempt=0)).startswith("begun\n")  # bash may have said "Terminated"


async def start_again(bench: Bench, job_id: str, log: Path, text: str) -> None:
    """Waits for the log of the next attempt, which Slurm starts two minutes after the requeue.

    A node refuses a job that starts again in the second in which it was killed there.
    """
    cluster = world_of(bench).cluster

    def has_started() -> bool:
        starts_at = cluster.run(
            "env", "SLURM_TIME_FORMAT=%s", "squeue", "-h", "-t", "PENDING", "-j", job_id, "-o", "%S"
        )
        if starts_at.isdecimal() and int(starts_at) > time.time() + 3:
            cluster.run("scontrol", "update", f"JobId={job_id}", "StartTime=now+2", check=False)
        return log.exists() and log.read_text() == text

    await until(has_started, explain=lambda: cluster.run("scontrol", "show", "job", job_id))


async def _has_text(bench: Bench, task: TaskRecord, text: str) -> bool:
    return await read(bench, task) == text


async def test_the_elements_of_an_array_have_their_index_as_rank(plain: Bench) -> None:
    task = await plain.submit("echo element $FLOW_ARRAY_INDEX", array="2,5-6%2", region=GPU_PARTITION)
    lines = await asyncio.gather(*(read_to_end(plain, task, rank) for rank in (5, 6)))
    assert lines == [["element 5"], ["element 6"]]
    ended = await plain.ended(task)
    assert await list_ranks(plain, ended) == [(0, 2), (0, 5), (0, 6)]
    assert await read(plain, ended, 2) == "element 2\n"
    for rank in (0, 3, STDERR_OF_ARRAY + 2):
        with pytest.raises(NotFound):
            await read(plain, ended, rank)


async def test_an_element_that_was_requeued_has_its_newest_log(plain: Bench) -> None:
    command = "echo try; [ $FLOW_ARRAY_INDEX = 1 ] || sleep 600"
    task = await plain.submit(command, array="1-2", region=GPU_PARTITION)
    await plain.until(task, lambda now: [one.status for one in now.elements][1:] == [TaskStatus.RUNNING])
    world = world_of(plain)
    log = Path(task.provider_metadata["folder"]) / "attempt-0" / "rank-2.log"
    await until(lambda: log.exists() and log.read_text() == "try\n")
    world.cluster.run("scontrol", "requeue", f"{task.task_id}_2", user=world.user)
    await until(lambda: _is_listed(plain, task, (1, 2)))
    await start_again(plain, f"{task.task_id}_2", log.parent.with_name("attempt-1") / log.name, "try\n")
    assert (await read(plain, task, 2, attempt=0)).startswith("try\n")  # bash may have said "Terminated"
    assert await read(plain, task, 2, attempt=1) == "try\n"
    assert await read(plain, task, 1, attempt=1) == "try\n"


async def _is_listed(bench: Bench, task: TaskRecord, attempt_and_rank: tuple[int, int]) -> bool:
    return attempt_and_rank in await list_ranks(bench, task)


@each(
    ("options", "name"),
    [
        ((), "slurm-{id}.out"),
        (("--output=%x %5j 100%%.log", "--job-name=my job"), "my job {id:0>5} 100%.log"),
        (("--output=made/%u-%N-%n-%t-%s.out",), "made/{user}-login-0-0-batch.out"),
        (("--output=plain\\%j",), "plain%j"),
    ],
)
async def test_the_output_of_a_script_is_found_where_slurm_writes_it(
    plain: Bench, options: tuple[str, ...], name: str
) -> None:
    world = world_of(plain)
    world.cluster.run("mkdir", "-p", f"{world.folder}/made", user=world.user)
    task = await submit_by_hand(plain, "echo out; echo err >&2", *options)
    assert await read_to_end(plain, task) == ["out", "err"]
    path = world.folder / name.format(id=task.task_id, user=world.user.name)
    assert path.read_text() == "out\nerr\n"
    await plain.ended(task)
    assert await list_ranks(plain, task) == [(0, 0)]


async def test_a_script_may_write_its_stderr_to_another_file(plain: Bench) -> None:
    task = await plain.ended(await submit_by_hand(plain, "echo out; echo err >&2", "--error=%j.err"))
    assert await list_ranks(plain, task) == [(0, 0), (0, 1)]
    assert (await read(plain, task), await read(plain, task, 1)) == ("out\n", "err\n")


async def test_a_script_with_its_own_output_is_submitted_unchanged_and_read(plain: Bench) -> None:
    options = ("#SBATCH --output=logs/%x-%A.log --job-name=ddp", "#SBATCH -e logs/%j.err")
    world = world_of(plain)
    world.cluster.run("mkdir", f"{world.folder}/logs", user=world.user)
    task = await plain.ended(await plain.submit("\n".join(["#!/bin/bash", *options, "echo out; echo err >&2", ""])))
    assert (await read(plain, task), await read(plain, task, 1)) == ("out\n", "err\n")
    assert (world.folder / "logs" / f"ddp-{task.task_id}.log").read_text() == "out\n"


async def test_the_elements_of_a_script_have_files_of_their_own(plain: Bench) -> None:
    script = "echo out $SLURM_ARRAY_TASK_ID; echo err $SLURM_ARRAY_TASK_ID >&2"
    task = await plain.ended(await submit_by_hand(plain, script, "--array=4,10", "--error=e-%a.txt"))
    assert await list_ranks(plain, task) == [(0, 4), (0, 10), (0, STDERR_OF_ARRAY + 4), (0, STDERR_OF_ARRAY + 10)]
    assert [await read(plain, task, rank) for _, rank in await list_ranks(plain, task)] == [
        *("out 4\n", "out 10\n", "err 4\n", "err 10\n")
    ]


async def test_a_log_that_begins_late_moves_or_is_cut_short_is_read_on(plain: Bench) -> None:
    script = """log=slurm-$SLURM_JOB_ID.out; rm $log; until [ -e go ]; do sleep 0.1; done
    exec >moved.log; echo first; mv moved.log $log; sleep 1; echo second; until [ -e on ]; do sleep 0.1; done
    : >$log; exec >>$log; echo third"""
    world = world_of(plain)
    task = await submit_by_hand(plain, script)
    reading = asyncio.create_task(read_to_end(plain, task))
    await plain.until(task, lambda now: now.is_running)
    (world.folder / "go").touch()
    await until(lambda: _has_text(plain, task, "first\nsecond\n"))
    (world.folder / "on").touch()
    lines = await reading
    assert [line for line in lines if not line.startswith("[flow]")] == ["first", "second", "third"]


async def test_a_job_without_a_script_has_no_log(plain: Bench) -> None:
    world = world_of(plain)
    argv = ["salloc", "--no-shell", "--job-name=interactive"]
    await asyncio.to_thread(world.cluster.run, *argv, user=world.user)

    async def find() -> TaskRecord | None:
        return next((task for task in await plain.provider.list_tasks() if task.name == "interactive"), None)

    task = await plain.until(await until(find), lambda now: now.is_running)
    assert await list_ranks(plain, task) == []
    assert await read(plain, task) == ""


async def test_following_a_log_asks_slurmctld_no_more_than_the_list_does(plain: Bench) -> None:
    """Makes the poller ask once an hour."""
    world = world_of(plain)
    world.context = type(world.context)("slurm", "slurm", {**world.context.settings, "poll_s": 3600})
    bench = Bench(world)
    task = await plain.running("echo begun; sleep 600")
    async with AsyncFlow(world.context) as flow:
        assert [one.task_id for one in await flow.provider.list_tasks()] == [task.task_id]
        before = count_questions(world)
        lines = await flow.logs(task.task_id, follow=True)
        assert await anext(lines) == "begun"
        assert await flow.logs(task.task_id) == "begun\n"
        assert count_questions(world) == before
        await lines.aclose()
    await bench.provider.close()


def count_questions(world: SlurmWorld) -> dict[str, str]:
    """Returns how often the user has asked slurmctld for jobs, by kind."""
    rows = [row.split() for row in world.cluster.run("sdiag").splitlines() if "REQUEST_JOB_" in row]
    return {row[0]: row[2] for row in rows if row[0].startswith("REQUEST_JOB_")}
