"""Requests, tokens and jobs that a real slurmrestd refuses or has lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from testbed.rest_lab import SCRIPT, RestLab
from testbed.slurm_cluster import DEBUG_PARTITION
from testbed.tables import each
from testbed.waiting import until

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
    Unsupported,
)
from flow_core.models.task import TaskStatus
from flow_core.providers import open_provider
from flow_core.providers.contract.provider import Provider

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "slurm-rest")


@each(
    "fields, error, field",
    [
        ({"instance_type": "8xh900"}, CapacityError, "instance_type"),
        ({"instance_type": "9xa100"}, CapacityError, "instance_type"),
        ({"min_cpus": 1_000_000}, CapacityError, "min_cpus"),
        ({"num_instances": 100}, CapacityError, "num_instances"),
        ({"region": "mars"}, ConfigError, "region"),
        ({"max_run_time_hours": 1, "region": DEBUG_PARTITION}, ConfigError, "max_run_time_hours"),
        ({"env": {"TOKEN": "hunter2"}}, Unsupported, "env"),
        ({"upload_code": True}, Unsupported, "upload_code"),
        ({"image": "python:3.12"}, Unsupported, "image"),
        ({"array": "x-y"}, ConfigError, "array"),
        ({"after": ["999999"]}, NotFound, "after"),
        ({"after": ["no-number"]}, ConfigError, "after"),
        ({"reservation_id": "no-such"}, NotFound, "reservation_id"),
        ({"provider_options": {"slurm": {"account": "no-such"}}}, AuthError, "provider_options"),
        ({"provider_options": {"slurm": {"qos": "no-such"}}}, ConfigError, "provider_options"),
        ({"provider_options": {"slurm": {"constraint": "no-such"}}}, ConfigError, "provider_options"),
        ({"provider_options": {"slurm": {"gres": "gpu:9"}}}, CapacityError, "provider_options"),
        ({"provider_options": {"slurm": {"nodelist": "no-such"}}}, ConfigError, "provider_options"),
        ({"provider_options": {"slurm": {"switches": 1}}}, Unsupported, "provider_options"),
        ({"command": SCRIPT.replace("a100:1", "a100:9"), "working_dir": "/tmp"}, CapacityError, "command"),
        ({"command": SCRIPT.replace("--time=10", "--partition=mars"), "working_dir": "/tmp"}, ConfigError, "command"),
    ],
)
async def test_a_refused_request_names_its_field_and_lists_no_task(
    lab: RestLab, fields: dict[str, Any], error: type[FlowError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await lab.submit(**{"command": "true", **fields})
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "hunter2" not in str(refused.value)
    assert await lab.provider.list_tasks() == ()


async def test_a_token_that_is_not_accepted_is_an_error_of_the_login(lab: RestLab) -> None:
    await lab.provider.list_tasks()
    other = lab.cluster.add_user()
    head, claims, _ = lab.token_file.read_text().split(".")
    for text in (f"{head}.{claims}.AAAA", lab.cluster.token(other)):
        lab.token_file.write_text(text)
        with pytest.raises(AuthError, match=r"does not accept the token of .* for user") as refused:
            await lab.submit()
        assert text not in str(refused.value)
        await until(lambda: is_refused(lab.provider))
    lab.token_file.write_text(lab.cluster.token(lab.user, lifespan_s=1))
    await until(lambda: is_refused(lab.provider, "expired"))
    lab.token_file.write_text(lab.cluster.token(lab.user))
    await until(lambda: answers(lab.provider))
    assert (await lab.submit()).task_id


async def is_refused(provider: Provider, words: str = "does not accept") -> bool:
    try:
        await provider.list_tasks()
    except AuthError as error:
        return words in str(error)
    return False


async def answers(provider: Provider) -> bool:
    try:
        await provider.list_tasks()
    except ProviderError:
        return False
    return True


async def test_slurmctld_may_be_down_for_a_while(lab: RestLab) -> None:
    task = await lab.running()
    lab.cluster.stop_controller()
    calls = (lab.provider.list_tasks, lambda: lab.provider.cancel_task(task.task_id), lambda: lab.submit("true"))
    await until(lambda: is_down(lab.provider.list_tasks))  # an answer may be kept for a while
    assert all(await asyncio.gather(*map(is_down, calls)))  # slurmrestd waits for ten seconds
    lab.cluster.start_controller()
    await until(lambda: answers(lab.provider))
    assert (await lab.provider.get_task(task.task_id)).is_running


async def is_down(call: Any) -> bool:
    try:
        await call()
    except Unreachable as error:
        return "slurmctld does not answer" in str(error)
    return False


async def test_what_slurmctld_has_forgotten_comes_from_the_accounting(lab: RestLab) -> None:
    failed = await lab.ended(await lab.submit("exit 3", name="failed", unique_name=False))
    done = await lab.ended(await lab.submit("true", instance_type="2xa100"))
    array = await lab.ended(await lab.submit("exit $FLOW_ARRAY_INDEX", array="0-1"))
    cancelled = await lab.running()
    await lab.provider.cancel_task(cancelled.task_id)
    await lab.ended(cancelled)
    await until(lambda: len(lab.read_history()) == 5)
    lab.cluster.stop_controller()
    for path in (lab.cluster.folder / "state").glob("job_state*"):
        path.unlink()
    lab.cluster.start_controller()
    other = open_provider(lab.context)
    await until(lambda: knows(other, 4))
    found = {one.task_id: one for one in await other.list_tasks()}
    assert found.keys() == {task.task_id for task in (failed, done, array, cancelled)}
    assert found[failed.task_id].status is TaskStatus.FAILED
    assert found[failed.task_id].exit_code in (3, None)  # Slurm 22.05 does not tell it
    assert (found[done.task_id].status, found[done.task_id].exit_code) == (TaskStatus.COMPLETED, 0)
    assert found[done.task_id].gpu_count == 2
    assert [element.status for element in found[array.task_id].elements] == [TaskStatus.COMPLETED, TaskStatus.FAILED]
    assert found[cancelled.task_id].message == "cancelled by you"
    assert (await lab.provider.get_task(failed.task_id)).exit_code == 3  # this client saw it
    await other.close()


async def knows(provider: Provider, count: int) -> bool:
    return await answers(provider) and len(await provider.list_tasks()) == count
