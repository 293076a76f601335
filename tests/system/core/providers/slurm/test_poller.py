"""The poller of the jobs of a real cluster, through SSH."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import pytest
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_jobs import KEY, MakePoller, job_until, submit, wrap_commands
from testbed.slurm_space import User

from flow_core.errors import NotFound, Unreachable
from flow_core.models.task import TaskStatus
from flow_core.providers.slurm.run_folder import Submission

pytestmark = pytest.mark.needs("slurm", "sshd")


async def test_jobs_are_listed_with_states_reasons_and_codes(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    assert await poller.list_jobs() == ()
    wide = submit(cluster, user, "sleep 600", "-N2", "--gpus-per-node=a100:4", "-t", "2:00:00")
    big = submit(cluster, user, "sleep 600", "-N3", "--gres=gpu:4")
    held = submit(cluster, user, "true", "--hold", "-c2")
    failing = submit(cluster, user, "exit 3", "-p", "debug")
    killed = submit(cluster, user, "kill -SEGV $$", "-p", "debug")
    after = submit(cluster, user, "true", f"--dependency=afterok:{wide}")

    running = await job_until(poller, wide, lambda task: task.is_running)
    assert (running.instance_type, running.num_instances, running.gpu_type, running.gpu_count) == (
        "4xa100",
        2,
        "a100",
        4,
    )
    assert len(running.instances) == 2
    assert (running.owner, running.region, running.command) == (user.name, "gpu", "sbatch script")
    assert running.created_at is not None
    assert running.started_at is not None
    assert abs((datetime.now(UTC) - running.created_at).total_seconds()) < 60

    waiting = await job_until(poller, big, lambda task: "Resources" in task.message and "start" in task.message)
    assert waiting.message.startswith("waits for Resources, start about ")
    assert waiting.status is TaskStatus.PENDING
    tasks = {task.task_id: task for task in await poller.list_jobs(0)}
    assert list(tasks) == [after, killed, failing, held, big, wide]
    assert (tasks[held].is_held, tasks[held].message) == (True, "held by you; release it to let it start")
    assert tasks[held].instance_type == "2xcpu"
    assert tasks[after].message == f"waits for job {wide} to succeed (Dependency)"

    ended = await job_until(poller, failing, lambda task: task.is_terminal)
    assert (ended.status, ended.exit_code, ended.message) == (TaskStatus.FAILED, 3, "")
    assert ended.completed_at is not None
    ended = await job_until(poller, killed, lambda task: task.is_terminal)
    assert (ended.exit_code, ended.message) == (139, "killed by SIGSEGV")

    cluster.run("scancel", wide, user=user)
    ended = await job_until(poller, wide, lambda task: task.is_terminal)
    assert ended.status is TaskStatus.CANCELLED
    with pytest.raises(NotFound):
        await poller.get("99999999")


async def test_an_array_is_one_task_with_elements(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    poller = make_poller(cluster, user)
    array = submit(cluster, user, "sleep 0.2; exit $((SLURM_ARRAY_TASK_ID % 2 * 3))", "--array=0-7%4", "-p", "debug")
    held = submit(cluster, user, "true", "--array=1-900:3", "--hold")
    task = await job_until(poller, array, lambda task: task.is_terminal)
    assert (task.status, task.exit_code, task.message) == (TaskStatus.FAILED, 3, "")
    assert [element.exit_code for element in task.elements] == [0, 3] * 4
    waiting = await poller.get(held)
    assert [element.index for element in waiting.elements] == list(range(1, 901, 3))
    assert waiting.message == "held by you; release it to let it start"
    assert {job.slurm_id for job in await poller.get_jobs(array)} == {f"{array}_{index}" for index in range(8)}
    assert {job.task_id for job in await poller.get_jobs(held)} == {held}
    cluster.run("scancel", held, user=user)
    cancelled = await job_until(poller, held, lambda task: task.is_terminal)
    assert (cancelled.status, len(cancelled.elements)) == (TaskStatus.CANCELLED, 300)


async def test_all_callers_share_one_call_of_squeue(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    log = user.home / "calls"
    bin_dir = wrap_commands(user, squeue=f'echo call >> "{log}"\nexec /usr/bin/squeue "$@"')
    poller = make_poller(cluster, user, bin_dir=bin_dir, poll_s=3600)
    for _ in range(4):
        submit(cluster, user, "true", "--array=0-999", "--hold")
    lists = await asyncio.gather(*(poller.list_jobs() for _ in range(20)), *(poller.list_jobs(0) for _ in range(20)))
    assert {len(tasks) for tasks in lists} == {4}
    assert sum(len(task.elements) for task in lists[0]) == 4000
    assert [await poller.get(task.task_id) for task in lists[0]] == list(lists[0])
    assert log.read_text() == "call\n"
    poller.expire()
    await asyncio.gather(poller.list_jobs(), poller.list_jobs())
    assert log.read_text() == "call\n" * 2


async def test_a_job_of_another_client_is_found_although_the_last_answer_is_older(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user, poll_s=3600)
    assert await poller.list_jobs() == ()
    job_id = submit(cluster, user, "sleep 600")
    assert (await poller.get(job_id)).task_id == job_id
    for stranger in ("nobody", f"{job_id}0"):
        with pytest.raises(NotFound):
            await poller.get(stranger)


async def test_the_answer_of_a_slow_slurmctld_serves_longer(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    log = user.home / "calls"
    bin_dir = wrap_commands(user, squeue=f'echo call >> "{log}"\nsleep 1.1\nexec /usr/bin/squeue "$@"')
    poller = make_poller(cluster, user, bin_dir=bin_dir)
    for _ in range(5):
        await poller.list_jobs()
        await asyncio.to_thread(cluster.run, "true")
    assert log.read_text() == "call\n"


async def test_names_may_contain_anything(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    names = ["a|b\nc", "\x1b[31mred\x1b[0m", "x" * 1000, "100% %A_%a $(id) `id` ';\"", "ünïcode \u202e"]
    ids = [submit(cluster, user, "true", "--hold", f"--job-name={name}", f"--comment={name}") for name in names]
    tasks = {task.task_id: task for task in await make_poller(cluster, user).list_jobs()}
    assert [tasks[job_id].name for job_id in ids] == ["a|b␊c", "␛[31mred␛[0m", "x" * 256, names[3], "ünïcode \ufffd"]
    assert all(task.is_held for task in tasks.values())


async def test_the_locale_the_time_zone_and_the_defaults_of_the_user_change_nothing(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    lines = (
        *("export TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8 SLURM_TIME_FORMAT=relative SQUEUE_FORMAT=%i SQUEUE_STATES=F"),
        *("export SQUEUE_USERS=root SQUEUE_SORT=S SACCT_FORMAT=jobid SQUEUE_ALL=1",),
        "alias squeue='echo no'; squeue() { echo no; }; export -f squeue",
        "echo Welcome to the cluster",
    )
    text = "".join(lines[:-3]) + "\n" + "\n".join(lines[-3:]) + "\n"
    for name in (".bashrc", ".profile"):
        (user.home / name).write_text(text)
        os.chown(user.home / name, user.uid, user.uid)
    job_id = submit(cluster, user, "sleep 600", "-p", "debug")
    task = await job_until(make_poller(cluster, user), job_id, lambda task: task.is_running)
    assert task.started_at is not None
    assert abs((datetime.now(UTC) - task.started_at).total_seconds()) < 60


async def test_a_request_that_slurm_refused_is_no_task(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    cluster.run("sbatch", "--gres=gpu:9", "--wrap=true", user=user, check=False)
    job_id = submit(cluster, user, "true", "--hold")
    assert "BadConstraints" in cluster.run("squeue", "-t", "all", "-u", user.name, "-h", "-O", "Reason")
    assert [task.task_id for task in await make_poller(cluster, user).list_jobs()] == [job_id]


async def test_a_requeued_job_is_the_next_attempt(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "sleep 600", "--requeue", "-p", "debug")
    await job_until(poller, job_id, lambda task: task.is_running)
    cluster.run("scontrol", "requeue", job_id, user=user)
    task = await job_until(poller, job_id, lambda task: task.attempt == 1 and "requeued" in task.message)
    assert task.status is TaskStatus.PENDING
    cluster.run("scontrol", "hold", job_id, user=user)
    task = await job_until(poller, job_id, lambda task: task.is_held)
    assert task.message == "held by you; release it to let it start"


async def test_a_suspended_job_is_paused_and_a_drained_node_is_told(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "sleep 600", "-p", "debug")
    task = await job_until(poller, job_id, lambda task: task.is_running)
    (node,) = task.instances
    cluster.drain(node, "bad GPU \x1b[31m| 3")
    other = make_poller(cluster, user)
    task = await job_until(other, job_id, lambda task: bool(task.message))
    assert task.message == f"node {node} is draining (bad GPU ␛[31m| 3); the job runs on"
    cluster.run("scontrol", "suspend", job_id)
    task = await job_until(poller, job_id, lambda task: task.status is TaskStatus.PAUSED)
    assert task.message == "suspended by the scheduler or an administrator"


async def test_the_jobs_of_others_are_listed_only_on_request(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    other = cluster.add_user()
    try:
        own_id, other_id = submit(cluster, user, "true", "--hold"), submit(cluster, other, "true", "--hold")
        poller = make_poller(cluster, user)
        assert [task.task_id for task in await poller.list_jobs()] == [own_id]
        poller.watch_everyone(True)
        tasks = {task.task_id: task for task in await poller.list_jobs()}
        assert tasks[other_id].owner == other.name
        assert tasks[other_id].message == "held by its user; release it to let it start"
        poller.watch_everyone(False)
        assert [task.task_id for task in await poller.list_jobs()] == [own_id]
    finally:
        cluster.remove_user(other)


async def test_a_new_job_is_listed_before_squeue_shows_it(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    await poller.list_jobs()
    submission = Submission(f"/flow/runs/{KEY}", "train", "python train.py", {"region": "gpu"}, array="0-9")
    record = poller.note_submitted(submission, "999999")
    assert (record.name, record.status, record.command) == ("train", TaskStatus.PENDING, "python train.py")
    assert len(record.elements) == 10
    for _ in range(2):
        assert [task.task_id for task in await poller.list_jobs(0)] == ["999999"]
    assert poller.get_submission("999999") == submission


async def test_a_job_that_is_known_is_not_pending_because_it_was_submitted_again(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "exit 3", "-p", "debug")
    await job_until(poller, job_id, lambda task: task.is_terminal)
    submission = Submission(f"/flow/runs/{KEY}", "train", "python train.py")
    record = poller.note_submitted(submission, job_id)
    assert (record.name, record.status, record.exit_code) == ("train", TaskStatus.FAILED, 3)


async def test_the_last_answer_is_kept_while_slurmctld_is_down(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "true", "--hold")
    assert [task.task_id for task in await poller.list_jobs()] == [job_id]
    cluster.stop_controller()
    with pytest.raises(Unreachable, match="slurmctld"):
        await poller.list_jobs(0)
    with pytest.raises(Unreachable, match="slurmctld"):
        await poller.get(job_id, 0)
    cluster.start_controller()
    poller.expire()
    assert [task.task_id for task in await poller.list_jobs()] == [job_id]
