"""A real cluster through slurmrestd alone."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from testbed.slurm_cluster import DEBUG_PARTITION, GPU_PARTITION, SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import add_to_ssh_config
from testbed.tables import each
from testbed.waiting import task_until, until

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
    Unsupported,
)
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers import open_provider
from flow_core.providers.contract.provider import Provider
from flow_core.providers.contract.scheduling import SchedulingFacet

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "slurm-rest")

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=mine --nodes=2
#SBATCH --ntasks-per-node=1 --gres=gpu:a100:1
#SBATCH --output=out-%x.txt   # below the directory
#SBATCH --time=10
echo "tasks $SLURM_NTASKS_PER_NODE in $SLURM_SUBMIT_DIR"
srun --ntasks=2 sh -c 'echo $SLURM_PROCID $SLURMD_NODENAME' | sort
exit 4
"""


@cache
def shared_rest_cluster() -> SlurmCluster:
    cluster = SlurmCluster(accounting=True, rest=True, nodes=2)
    atexit.register(cluster.stop)
    cluster.start()
    return cluster


class Lab:
    """A user of the cluster, with a token in a file and a provider."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        self.cluster = cluster
        self.user = cluster.add_user()
        self.token_file = folder / "token"
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(cluster.token(self.user))
        self.provider: Provider = open_provider(self.context)
        self.folder = cluster.make_folder(self.user, "here")

    @property
    def context(self) -> Context:
        settings = {"rest_url": self.cluster.rest_url, "rest_user": self.user.name, "poll_s": 0.2}
        return Context("lab", "slurm", {**settings, "rest_token_file": str(self.token_file)})

    @property
    def scheduling(self) -> SchedulingFacet:
        assert self.provider.scheduling is not None
        return self.provider.scheduling

    async def submit(self, command: str = "sleep 600", **fields: Any) -> TaskRecord:
        return await self.provider.submit(TaskConfig.parse({"command": command, "upload_code": False, **fields}))

    async def running(self, command: str = "sleep 600", **fields: Any) -> TaskRecord:
        return await task_until(self.provider, await self.submit(command, **fields), lambda task: task.is_running)

    async def ended(self, task: TaskRecord) -> TaskRecord:
        return await task_until(self.provider, task, lambda task: task.is_terminal)

    def read_history(self) -> list[str]:
        """Returns the jobs and elements whose end the accounting knows."""
        states = "--state=COMPLETED,FAILED,CANCELLED"
        argv = ("sacct", "--noheader", "-X", f"--user={self.user.name}", "--starttime=now-1hour", states)
        return self.cluster.run(*argv, "--endtime=now", "--format=JobID").split()

    def read_log(self, task: TaskRecord, rank: int = 0) -> str:
        folder = str(task.provider_metadata["folder"]).replace("~", str(self.user.home), 1)
        return Path(folder, "attempt-0", f"rank-{rank}.log").read_text()


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.chdir(tmp_path)
    cluster = shared_rest_cluster()
    cluster.renew()
    lab = Lab(cluster, tmp_path)
    yield lab
    await lab.provider.close()
    cluster.renew()
    cluster.remove_user(lab.user)


async def test_a_task_is_listed_and_runs_and_ends_with_its_exit_code(lab: Lab) -> None:
    task = await lab.submit("echo hello; pwd; exit 3", name="three", unique_name=False, instance_type="a100")
    assert (task.name, task.status, task.owner) == ("three", TaskStatus.PENDING, lab.user.name)
    assert [one.task_id for one in await lab.provider.list_tasks()] == [task.task_id]
    ended = await lab.ended(task)
    assert (ended.status, ended.exit_code, ended.command) == (TaskStatus.FAILED, 3, "echo hello; pwd; exit 3")
    assert (ended.gpu_type, ended.gpu_count, ended.region) == ("a100", 1, GPU_PARTITION)
    assert ended.created_at <= ended.started_at <= ended.completed_at  # type: ignore[operator]
    assert lab.read_log(ended).startswith(f"hello\n{lab.user.home}/.local/state/flow/slurm/runs/")


@each(
    "command, status, exit_code",
    [
        ("true", TaskStatus.COMPLETED, 0),
        ("exit 7", TaskStatus.FAILED, 7),
        ("kill -9 $$", TaskStatus.FAILED, 137),
        (["sh", "-c", "exit 5"], TaskStatus.FAILED, 5),
        ("cd /nowhere || exit 9", TaskStatus.FAILED, 9),
    ],
)
async def test_each_end_is_told(lab: Lab, command: Any, status: TaskStatus, exit_code: int) -> None:
    ended = await lab.ended(await lab.submit(command))
    assert (ended.status, ended.exit_code) == (status, exit_code)


async def test_the_ranks_of_a_task_know_each_other_and_their_gpus(lab: Lab) -> None:
    command = "echo $RANK/$WORLD_SIZE $CUDA_VISIBLE_DEVICES $SLURMD_NODENAME; [ -n $MASTER_ADDR ]"
    task = await lab.submit(command, num_instances=2, instance_type="2xa100", working_dir=str(lab.folder))
    ended = await lab.ended(task)
    assert (ended.exit_code, ended.instances, ended.gpu_count) == (0, ("node1", "node2"), 2)
    assert [lab.read_log(ended, rank) for rank in (0, 1)] == ["0/2 0,1 node1\n", "1/2 0,1 node2\n"]


async def test_an_array_is_one_task_with_its_elements(lab: Lab) -> None:
    task = await lab.submit("[ $FLOW_ARRAY_INDEX != 2 ]", array="0-3%2")
    assert [element.index for element in task.elements] == [0, 1, 2, 3]
    ended = await lab.ended(task)
    assert [element.exit_code for element in ended.elements] == [0, 0, 1, 0]
    assert [one.task_id for one in await lab.provider.list_tasks()] == [task.task_id]
    whole = await lab.running(array="1-3%1")
    await lab.provider.cancel_task(whole.task_id)
    assert {element.status for element in (await lab.ended(whole)).elements} == {TaskStatus.CANCELLED}


async def test_a_script_with_sbatch_lines_runs_unchanged(lab: Lab) -> None:
    task = await lab.submit(SCRIPT, working_dir=str(lab.folder))
    ended = await lab.ended(task)
    assert (ended.name, ended.exit_code, ended.num_instances, ended.gpu_count) == ("mine", 4, 2, 1)
    assert ended.time_limit_s == 600
    output = (lab.folder / "out-mine.txt").read_text()
    assert output == f"tasks 1 in {lab.folder}\n0 node1\n1 node2\n"
    summary = lab.provider.summarize_script(SCRIPT)
    assert summary is not None
    assert not summary.problems


async def test_cancelling_twice_and_after_the_end_changes_nothing_more(lab: Lab) -> None:
    task = await lab.running()
    assert lab.provider.describe_cancel(task).startswith(f"DELETE {lab.cluster.rest_url}/slurm/v0.0.")
    await lab.provider.cancel_task(task.task_id)
    await lab.provider.cancel_task(task.task_id)
    ended = await lab.ended(task)
    assert ended.status is TaskStatus.CANCELLED
    await lab.provider.cancel_task(task.task_id, force=True)
    assert await lab.provider.get_task(task.task_id) == ended


async def test_a_task_is_held_and_released_and_its_limit_is_changed(lab: Lab) -> None:
    task = await lab.submit(provider_options={"slurm": {"hold": True}}, max_run_time_hours=1)
    held = await task_until(lab.provider, task, lambda task: task.is_held)
    assert held.message == "held by you; release it to let it start"
    await lab.scheduling.hold(task.task_id)
    await lab.scheduling.release(task.task_id)
    running = await task_until(lab.provider, task, lambda task: task.is_running)
    with pytest.raises(Conflict, match="is running; only a pending task can be held"):
        await lab.scheduling.hold(task.task_id)
    await lab.scheduling.set_time_limit(task.task_id, 0.2)
    assert (await lab.provider.get_task(task.task_id)).time_limit_s == 720
    with pytest.raises(AuthError, match="only an operator of the cluster may raise the time limit"):
        await lab.scheduling.set_time_limit(task.task_id, 20)
    with pytest.raises(Unsupported, match="can't queue a task again"):
        await lab.scheduling.requeue(task.task_id)
    assert '{"hold": true}' in lab.scheduling.describe_hold(running)
    await lab.scheduling.signal(task.task_id, "SIGUSR1")
    ended = await lab.ended(task)
    assert (ended.status, ended.exit_code) == (TaskStatus.FAILED, 138)
    for change in (lab.scheduling.hold, lab.scheduling.release):
        with pytest.raises(Conflict):
            await change(task.task_id)
    with pytest.raises(Conflict, match="only a running task gets signals"):
        await lab.scheduling.signal(task.task_id, "SIGUSR1")


async def test_all_elements_of_an_array_change_together(lab: Lab) -> None:
    task = await lab.running(array="1-4%2")
    await lab.scheduling.set_time_limit(task.task_id, 0.1)
    assert (await lab.provider.get_task(task.task_id)).time_limit_s == 360


async def test_a_signal_reaches_every_process_of_a_task(lab: Lab) -> None:
    trap = "trap 'echo told >>told; exit 0' USR1; echo >>ready; while :; do sleep 0.1; done"
    task = await lab.submit(f"sh -c {trap!r}", working_dir=str(lab.folder), num_instances=2)
    await until(lambda: (lab.folder / "ready").exists() and len((lab.folder / "ready").read_text()) == 2)
    await lab.scheduling.signal(task.task_id, "SIGUSR1")
    await lab.ended(task)
    assert (lab.folder / "told").read_text() == "told\ntold\n"


async def test_the_tasks_of_other_users_are_listed_on_request_and_not_changed(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Lab(lab.cluster, tmp_path / "other")
    theirs = await other.running()
    own = await lab.running()
    assert [one.task_id for one in await lab.provider.list_tasks()] == [own.task_id]
    await lab.scheduling.watch_everyone(True)
    listed = {one.task_id: one.owner for one in await lab.provider.list_tasks()}
    assert listed[theirs.task_id] == other.user.name
    for change in (
        lab.provider.cancel_task(theirs.task_id),
        lab.scheduling.signal(theirs.task_id, "SIGTERM"),
        lab.scheduling.set_time_limit(theirs.task_id, 0.1),
    ):
        with pytest.raises(AuthError):
            await change
    assert (await other.provider.get_task(theirs.task_id)).is_running
    await lab.scheduling.watch_everyone(False)
    assert [one.task_id for one in await lab.provider.list_tasks()] == [own.task_id]
    await other.provider.close()
    lab.cluster.remove_user(other.user)


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
    lab: Lab, fields: dict[str, Any], error: type[FlowError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await lab.submit(**{"command": "true", **fields})
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "hunter2" not in str(refused.value)
    assert await lab.provider.list_tasks() == ()


async def test_a_task_waits_for_the_one_before_it(lab: Lab) -> None:
    first = await lab.submit("true", provider_options={"slurm": {"hold": True}})
    second = await lab.submit("true", after=[first.task_id])
    waiting = await task_until(lab.provider, second, lambda task: "Dependency" in task.message)
    assert waiting.message.startswith(f"waits for job {first.task_id} to succeed")
    await lab.scheduling.release(first.task_id)
    assert (await lab.ended(second)).exit_code == 0


async def test_a_task_with_a_key_is_submitted_once_by_several_clients(lab: Lab) -> None:
    task = await lab.submit(idempotency_key="one")
    other = open_provider(lab.context)
    again = await other.submit(
        TaskConfig.parse({"command": "sleep 600", "upload_code": False, "idempotency_key": "one"})
    )
    assert again.task_id == task.task_id
    assert len(await other.list_tasks()) == 1
    await other.close()


@each("stranger", ["999999", "nobody", "", "\x1b[31m", "../../x", "1/../2", "\ud800", "x" * 100_000])
async def test_an_unknown_id_is_not_found_by_any_call(lab: Lab, stranger: str) -> None:
    for call in (
        lab.provider.get_task(stranger),
        lab.provider.cancel_task(stranger),
        lab.scheduling.hold(stranger),
        lab.scheduling.release(stranger),
        lab.scheduling.requeue(stranger),
        lab.scheduling.set_time_limit(stranger, 1),
        lab.scheduling.signal(stranger, "SIGUSR1"),
    ):
        with pytest.raises(NotFound) as refused:
            await call
        assert str(refused.value).isprintable()


async def test_the_nodes_are_instance_types(lab: Lab) -> None:
    assert lab.provider.instances is not None
    task = await lab.running(instance_type="3xa100")
    rows = await lab.provider.instances.find({})
    found = {row.region: (row.instance_type, row.free_gpus, row.total_gpus) for row in rows}
    assert found[GPU_PARTITION] in (("4xa100", 5, 8), ("4xa100", 8, 8))  # an answer may be some seconds old
    assert set(found) == {GPU_PARTITION, DEBUG_PARTITION}
    assert await lab.provider.instances.normalize(8, "a100") == ("4xa100", 2, None)
    await lab.provider.cancel_task(task.task_id)


async def test_what_needs_files_or_nodes_is_missing(lab: Lab) -> None:
    task = await lab.running()
    for facet in ("logs", "shells", "remote", "uploads", "volumes", "metrics", "tunnels", "endpoints", "reservations"):
        assert getattr(lab.provider, facet) is None, facet
    async with AsyncFlow(lab.context) as flow:
        with pytest.raises(Unsupported):
            await flow.logs(task.task_id)
        assert [one.task_id for one in await flow.list_tasks()] == [task.task_id]
    assert await lab.scheduling.estimate_start(TaskConfig.parse({"command": "true"})) is None
    assert lab.provider.config_schema.validate_config(lab.context.settings) == ()


async def test_the_description_of_a_submission_is_the_whole_request(lab: Lab) -> None:
    config = TaskConfig.parse({"command": "echo hi", "instance_type": "2xa100", "upload_code": False})
    assert "/slurm/v0.0.*/job/submit\n" in lab.provider.describe_submit(config)
    await lab.provider.list_tasks()
    described = lab.provider.describe_submit(config)
    assert described.startswith(f"POST {lab.cluster.rest_url}/slurm/v0.0.")
    assert "exec $shell -c 'echo hi'" in described
    assert '"comment": "flow:KEY"' in described
    assert lab.provider.describe_disclosure(config) == ""


@pytest.mark.needs("sshd")
async def test_a_client_with_ssh_finds_the_log_of_a_task_that_slurmrestd_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    task = await lab.ended(await lab.submit("echo hello", name="seen", unique_name=False, retries={"max_retries": 1}))
    host = add_to_ssh_config(lab.cluster, lab.user, "rest-lab")
    async with AsyncFlow(Context("ssh", "slurm", {"host": host, "poll_s": 0.2})) as flow:
        (found,) = await flow.list_tasks()
        assert (found.task_id, found.name, found.record.command) == (task.task_id, "seen", "echo hello")
        assert await flow.logs(task.task_id) == "hello\n"


async def test_a_token_that_is_not_accepted_is_an_error_of_the_login(lab: Lab) -> None:
    await lab.provider.list_tasks()
    other: User = lab.cluster.add_user()
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


async def test_slurmctld_may_be_down_for_a_while(lab: Lab) -> None:
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


async def test_what_slurmctld_has_forgotten_comes_from_the_accounting(lab: Lab) -> None:
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
