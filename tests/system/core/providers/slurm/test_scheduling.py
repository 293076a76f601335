"""Changes to jobs of a real cluster, and estimates of their starts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from testbed.slurm_cluster import GPU_PARTITION, SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import SlurmWorld
from testbed.waiting import until
from testbed.worlds import Bench

from flow_core.errors import AuthError, ConfigError, Conflict, FlowError
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers.contract.scheduling import SchedulingFacet

pytestmark = pytest.mark.needs("slurm", "sshd")

LATER = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def facet_of(bench: Bench) -> SchedulingFacet:
    assert bench.provider.scheduling is not None
    return bench.provider.scheduling


def cluster_of(bench: Bench) -> SlurmCluster:
    assert isinstance(bench.world, SlurmWorld)
    return bench.world.cluster


async def test_a_held_task_waits_until_it_is_released(plain: Bench) -> None:
    task, scheduling = await plain.submit("true", scheduled_start_time=LATER), facet_of(plain)
    await scheduling.hold(task.task_id)
    await scheduling.hold(task.task_id)
    held = await plain.provider.get_task(task.task_id)
    assert (held.status, held.is_held, held.message) == (
        TaskStatus.PENDING,
        True,
        "held by you; release it to let it start",
    )
    await scheduling.release(task.task_id)
    await scheduling.release(task.task_id)
    await plain.until(task, lambda now: not now.is_held)


async def test_only_a_task_that_waits_is_held(plain: Bench) -> None:
    task = await plain.running()
    with pytest.raises(Conflict, match="only a pending task can be held"):
        await facet_of(plain).hold(task.task_id)
    await plain.provider.cancel_task(task.task_id, force=True)
    await plain.ended(task)
    for call in (facet_of(plain).release(task.task_id), facet_of(plain).set_time_limit(task.task_id, 1)):
        with pytest.raises(Conflict, match="has already ended"):
            await call


async def test_the_elements_of_an_array_that_wait_are_held(plain: Bench) -> None:
    task = await plain.running("sleep 600", array="0-3%1", region=GPU_PARTITION)
    await facet_of(plain).hold(task.task_id)
    held = await plain.until(task, lambda now: now.is_held)
    assert held.status is TaskStatus.RUNNING
    await facet_of(plain).signal(task.task_id, "SIGKILL")
    ended = await plain.until(task, lambda now: now.elements[0].status.is_final)
    assert [element.status for element in ended.elements[1:]] == [TaskStatus.PENDING] * 3


async def test_a_requeued_task_runs_again_with_a_log_of_its_own(plain: Bench) -> None:
    task = await plain.ended(await plain.submit("date +%N; exit 3"))
    await facet_of(plain).requeue(task.task_id)
    assert (await plain.until(task, lambda now: not now.is_terminal)).status is not TaskStatus.FAILED
    with pytest.raises(Conflict, match=f"{task.name} waits in the queue already"):
        await facet_of(plain).requeue(task.task_id)
    # slurmd runs no job again in the same second, and Slurm waits for two minutes.
    cluster_of(plain).run("scontrol", "update", f"JobId={task.task_id}", "StartTime=now+2")
    again = await plain.until(task, lambda now: now.is_terminal and now.attempt == 1)
    assert (again.status, again.exit_code) == (TaskStatus.FAILED, 3)
    assert plain.provider.logs is not None
    assert [address.attempt for address in await plain.provider.logs.addresses(task.task_id)] == [0, 1]


async def test_a_task_that_must_not_be_requeued_says_so(plain: Bench) -> None:
    task = await plain.running(provider_options={"slurm": {"no-requeue": True}})
    with pytest.raises(Conflict, match=f"the options of {task.name} don't allow this"):
        await facet_of(plain).requeue(task.task_id)


async def test_a_time_limit_is_lowered_and_not_raised(plain: Bench) -> None:
    task, scheduling = await plain.running(max_run_time_hours=0.4), facet_of(plain)
    await scheduling.set_time_limit(task.task_id, 0.25)
    assert (await plain.provider.get_task(task.task_id)).time_limit_s == 900
    with pytest.raises(AuthError, match="only an operator of the cluster may raise the time limit of a running task"):
        await scheduling.set_time_limit(task.task_id, 0.4)
    with pytest.raises(ConfigError) as refused:
        await scheduling.set_time_limit(task.task_id, float("nan"))
    assert refused.value.field == "hours"


async def test_a_signal_reaches_the_command_and_leaves_the_task_running(plain: Bench) -> None:
    command = "trap 'echo checkpoint >saved' USR1; touch ready; while :; do sleep 0.1; done"
    task = await plain.running(command)
    assert isinstance(plain.world, SlurmWorld)
    folder = plain.world.folder
    await until((folder / "ready").exists)
    await facet_of(plain).signal(task.task_id, "SIGUSR1")
    await until((folder / "saved").exists)
    assert (await plain.provider.get_task(task.task_id)).is_running
    with pytest.raises(ConfigError, match="signal"):
        await facet_of(plain).signal(task.task_id, "SIGWINCH")


async def test_a_start_is_estimated_and_nothing_is_left(plain: Bench) -> None:
    before = plain.world.traces()
    config = TaskConfig.parse({"command": "true", **plain.world.fields, "instance_type": plain.world.scarce})
    estimate = await facet_of(plain).estimate_start(config)
    assert estimate is not None
    assert abs(estimate.starts_at - datetime.now(UTC)) < timedelta(minutes=2)
    assert (estimate.nodes, estimate.region) == (("node1",), "debug")
    with pytest.raises(FlowError, match="9"):
        await facet_of(plain).estimate_start(config.model_copy(update={"instance_type": "9xa100"}))
    assert plain.world.traces() == before


@pytest.fixture
def other_job(plain: Bench) -> str:
    """A job of another user, which the provider lists."""
    cluster = cluster_of(plain)
    other = cluster.add_user()
    return cluster.run("sbatch", "--parsable", "--wrap=sleep 600", "--output=/dev/null", user=other)


async def test_the_tasks_of_others_are_listed_on_request_and_not_changed(plain: Bench, other_job: str) -> None:
    scheduling = facet_of(plain)
    assert other_job not in [task.task_id for task in await plain.provider.list_tasks()]
    await scheduling.watch_everyone(True)
    record = await plain.provider.get_task(other_job)
    assert record.owner not in ("", cluster_user(plain).name)
    running = await plain.until(record, lambda now: now.is_running)
    for call in (
        scheduling.requeue(other_job),
        scheduling.signal(other_job, "SIGUSR1"),
        scheduling.set_time_limit(other_job, 0.1),
        scheduling.release(other_job),
    ):
        with pytest.raises(AuthError, match=f"is a task of {running.owner}; only {running.owner} and administrators"):
            await call
    await scheduling.watch_everyone(False)
    assert other_job not in [task.task_id for task in await plain.provider.list_tasks()]


def cluster_user(bench: Bench) -> User:
    assert isinstance(bench.world, SlurmWorld)
    return bench.world.user


async def test_what_an_administrator_holds_only_an_administrator_releases(plain: Bench) -> None:
    task = await plain.submit("true", scheduled_start_time=LATER)
    cluster_of(plain).run("scontrol", "hold", task.task_id)
    held = await plain.until(task, lambda now: now.is_held)
    assert "administrator" in held.message
    with pytest.raises(AuthError, match=f"an administrator of the cluster holds {task.name}"):
        await facet_of(plain).release(task.task_id)
