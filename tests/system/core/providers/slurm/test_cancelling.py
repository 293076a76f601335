"""Cancelling jobs of a real cluster, and what is left of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.slurm_cluster import GPU_PARTITION
from testbed.slurm_worlds import SlurmWorld
from testbed.waiting import until
from testbed.worlds import Bench

from flow_core.errors import AuthError
from flow_core.models.task import TaskRecord, TaskStatus

pytestmark = pytest.mark.needs("slurm", "sshd")

SECRET = {"env": {"TOKEN": "hunter2"}}


def world_of(bench: Bench) -> SlurmWorld:
    assert isinstance(bench.world, SlurmWorld)
    return bench.world


def find_env(task: TaskRecord) -> Path:
    return Path(task.provider_metadata["folder"]) / "env.sh"


@pytest.mark.parametrize("force", [False, True])
async def test_the_variables_of_a_task_that_waits_are_removed_with_it(plain: Bench, force: bool) -> None:
    task = await plain.submit(provider_options={"slurm": {"hold": True}}, **SECRET)
    assert "hunter2" in find_env(task).read_text()
    await plain.provider.cancel_task(task.task_id, force=force)
    assert not find_env(task).exists()
    assert (await plain.ended(task)).status is TaskStatus.CANCELLED


async def test_all_elements_of_an_array_end(plain: Bench) -> None:
    task = await plain.running(array="1-4%2", region=GPU_PARTITION, **SECRET)
    await plain.provider.cancel_task(task.task_id)
    ended = await plain.ended(task)
    assert {element.status for element in ended.elements} == {TaskStatus.CANCELLED}
    assert not find_env(task).exists()
    assert plain.provider.describe_cancel(task) == f"scancel {task.task_id}  (on login node 'lab')"


async def test_a_command_may_save_its_state_unless_it_is_forced(plain: Bench) -> None:
    command = "trap 'echo saved >saved; exit 0' TERM; touch ready; while :; do sleep 0.1; done"
    task = await plain.running(command)
    folder = world_of(plain).folder
    await until((folder / "ready").exists)
    await plain.provider.cancel_task(task.task_id)
    await until((folder / "saved").exists)
    assert (await plain.ended(task)).status is TaskStatus.CANCELLED


async def test_a_job_of_another_user_is_not_cancelled(plain: Bench) -> None:
    world = world_of(plain)
    other = world.cluster.add_user()
    job_id = world.cluster.run("sbatch", "--parsable", "--wrap=sleep 600", user=other)
    assert plain.provider.scheduling is not None
    await plain.provider.scheduling.watch_everyone(True)
    with pytest.raises(AuthError, match="does not allow"):
        await plain.provider.cancel_task(job_id)
    assert world.cluster.list_jobs(other) == [job_id]
    world.cluster.remove_user(other)
