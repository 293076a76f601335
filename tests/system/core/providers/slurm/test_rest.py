"""A real cluster through slurmrestd alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from testbed.rest_lab import SCRIPT, RestLab
from testbed.slurm_cluster import DEBUG_PARTITION, GPU_PARTITION
from testbed.slurm_worlds import add_to_ssh_config
from testbed.tables import each
from testbed.waiting import task_until, until

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.errors import AuthError, Conflict, NotFound, Unsupported
from flow_core.models.task import TaskStatus
from flow_core.models.task_config import TaskConfig
from flow_core.providers import open_provider

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "slurm-rest")


async def test_a_task_is_listed_and_runs_and_ends_with_its_exit_code(lab: RestLab) -> None:
    task = await lab.submit("echo hello; pwd; exit 3", name="three", unique_name=False, instance_type="a100")
    assert (task.name, task.status, task.owner) == ("three", TaskStatus.PENDING, lab.user.name)
    assert [one.task_id for one in await lab.provider.list_tasks()] == [task.task_id]
    ended = await lab.ended(task)
    assert (ended.status, ended.exit_code, ended.command) == (TaskStatus.FAILED, 3, "echo hello; pwd; exit 3")
    assert (ended.gpu_type, ended.gpu_count, ended.region) == ("a100", 1, GPU_PARTITION)
    assert ended.created_at <= ended.started_at <= ended.completed_at  # type: ignore[operator]
    assert lab.read_log(ended).startswith(f"hello\n{lab.user.home}/.local/state/flow/slurm/runs/")


async def test_each_end_is_told(lab: RestLab) -> None:
    ends: dict[str, tuple[TaskStatus, int]] = {
        "true": (TaskStatus.COMPLETED, 0),
        "exit 7": (TaskStatus.FAILED, 7),
        "kill -9 $$": (TaskStatus.FAILED, 137),
        "cd /nowhere || exit 9": (TaskStatus.FAILED, 9),
    }
    tasks = {command: await lab.submit(command) for command in ends}
    words = await lab.submit(["sh", "-c", "exit $#", "x", "a b", "c"])
    for command, task in tasks.items():
        ended = await lab.ended(task)
        assert (ended.status, ended.exit_code) == ends[command], command
    assert (await lab.ended(words)).exit_code == 2


async def test_the_ranks_of_a_task_know_each_other_and_their_gpus(lab: RestLab) -> None:
    command = "echo $RANK/$WORLD_SIZE $CUDA_VISIBLE_DEVICES $SLURMD_NODENAME; [ -n $MASTER_ADDR ]"
    task = await lab.submit(command, num_instances=2, instance_type="2xa100", working_dir=str(lab.folder))
    ended = await lab.ended(task)
    assert (ended.exit_code, len(ended.instances), ended.gpu_count) == (0, 2, 2)
    for rank, node in enumerate(ended.instances):
        assert re.fullmatch(rf"{rank}/2 \d,\d {node}\n", lab.read_log(ended, rank))


async def test_an_array_is_one_task_with_its_elements(lab: RestLab) -> None:
    task = await lab.submit("[ $FLOW_ARRAY_INDEX != 2 ]", array="0-3%2")
    assert [element.index for element in task.elements] == [0, 1, 2, 3]
    ended = await lab.ended(task)
    assert [element.exit_code for element in ended.elements] == [0, 0, 1, 0]
    assert [one.task_id for one in await lab.provider.list_tasks()] == [task.task_id]
    whole = await lab.running(array="1-3%1")
    await lab.provider.cancel_task(whole.task_id)
    assert {element.status for element in (await lab.ended(whole)).elements} == {TaskStatus.CANCELLED}


async def test_a_script_with_sbatch_lines_runs_unchanged(lab: RestLab) -> None:
    task = await lab.submit(SCRIPT, working_dir=str(lab.folder))
    ended = await lab.ended(task)
    assert (ended.name, ended.exit_code, ended.num_instances, ended.gpu_count) == ("mine", 4, 2, 1)
    assert ended.time_limit_s == 600
    output = (lab.folder / "out-mine.txt").read_text()
    assert output == f"tasks 1 in {lab.folder}\n0 {ended.instances[0]}\n1 {ended.instances[1]}\n"
    summary = lab.provider.summarize_script(SCRIPT)
    assert summary is not None
    assert not summary.problems


async def test_cancelling_twice_and_after_the_end_changes_nothing_more(lab: RestLab) -> None:
    task = await lab.running()
    assert lab.provider.describe_cancel(task).startswith(f"DELETE {lab.cluster.rest_url}/slurm/v0.0.")
    await lab.provider.cancel_task(task.task_id)
    await lab.provider.cancel_task(task.task_id)
    ended = await lab.ended(task)
    assert ended.status is TaskStatus.CANCELLED
    await lab.provider.cancel_task(task.task_id, force=True)
    assert await lab.provider.get_task(task.task_id) == ended


async def test_a_task_is_held_and_released_and_its_limit_is_changed(lab: RestLab) -> None:
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


async def test_all_elements_of_an_array_change_together(lab: RestLab) -> None:
    task = await lab.running(array="1-4%2")
    await lab.scheduling.set_time_limit(task.task_id, 0.1)
    assert (await lab.provider.get_task(task.task_id)).time_limit_s == 360


async def test_a_signal_reaches_every_process_of_a_task(lab: RestLab) -> None:
    trap = "trap 'echo told >>told; exit 0' USR1; echo >>ready; while :; do sleep 0.1; done"
    task = await lab.submit(f"sh -c {trap!r}", working_dir=str(lab.folder), num_instances=2)
    await until(lambda: (lab.folder / "ready").exists() and len((lab.folder / "ready").read_text()) == 2)
    await lab.scheduling.signal(task.task_id, "SIGUSR1")
    await lab.ended(task)
    assert (lab.folder / "told").read_text() == "told\ntold\n"


async def test_the_tasks_of_other_users_are_listed_on_request_and_not_changed(lab: RestLab, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = RestLab(lab.cluster, tmp_path / "other")
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


async def test_a_task_waits_for_the_one_before_it(lab: RestLab) -> None:
    first = await lab.submit("true", provider_options={"slurm": {"hold": True}})
    second = await lab.submit("true", after=[first.task_id])
    waiting = await task_until(lab.provider, second, lambda task: "Dependency" in task.message)
    assert waiting.message.startswith(f"waits for job {first.task_id} to succeed")
    await lab.scheduling.release(first.task_id)
    assert (await lab.ended(second)).exit_code == 0


async def test_a_task_with_a_key_is_submitted_once_by_several_clients(lab: RestLab) -> None:
    task = await lab.submit(idempotency_key="one")
    other = open_provider(lab.context)
    again = await other.submit(
        TaskConfig.parse({"command": "sleep 600", "upload_code": False, "idempotency_key": "one"})
    )
    assert again.task_id == task.task_id
    with pytest.raises(Conflict, match=r"^idempotency_key: 'one' is that of task"):
        await other.submit(TaskConfig.parse({"command": "true", "upload_code": False, "idempotency_key": "one"}))
    assert len(await other.list_tasks()) == 1
    await other.close()


@each("stranger", ["999999", "nobody", "", "\x1b[31m", "../../x", "1/../2", "\ud800", "x" * 100_000])
async def test_an_unknown_id_is_not_found_by_any_call(lab: RestLab, stranger: str) -> None:
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


async def test_the_nodes_are_instance_types(lab: RestLab) -> None:
    assert lab.provider.instances is not None
    task = await lab.running(instance_type="3xa100")
    rows = await lab.provider.instances.find({})
    found = {row.region: (row.instance_type, row.free_gpus, row.total_gpus) for row in rows}
    assert found[GPU_PARTITION] in (("4xa100", 5, 8), ("4xa100", 8, 8))  # an answer may be some seconds old
    assert set(found) == {GPU_PARTITION, DEBUG_PARTITION}
    assert await lab.provider.instances.normalize(8, "a100") == ("4xa100", 2, None)
    await lab.provider.cancel_task(task.task_id)


async def test_what_needs_files_or_nodes_is_missing(lab: RestLab) -> None:
    task = await lab.running()
    for facet in ("logs", "shells", "remote", "uploads", "volumes", "metrics", "tunnels", "endpoints", "reservations"):
        assert getattr(lab.provider, facet) is None, facet
    async with AsyncFlow(lab.context) as flow:
        with pytest.raises(Unsupported):
            await flow.logs(task.task_id)
        assert [one.task_id for one in await flow.list_tasks()] == [task.task_id]
    assert await lab.scheduling.estimate_start(TaskConfig.parse({"command": "true"})) is None
    assert lab.provider.config_schema.validate_config(lab.context.settings) == ()


async def test_the_description_of_a_submission_is_the_whole_request(lab: RestLab) -> None:
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
    lab: RestLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    task = await lab.ended(await lab.submit("echo hello", name="seen", unique_name=False, retries={"max_retries": 1}))
    host = add_to_ssh_config(lab.cluster, lab.user, "rest-lab")
    async with AsyncFlow(Context("ssh", "slurm", {"host": host, "poll_s": 0.2})) as flow:
        (found,) = await flow.list_tasks()
        assert (found.task_id, found.name, found.record.command) == (task.task_id, "seen", "echo hello")
        assert await flow.logs(task.task_id) == "hello\n"
