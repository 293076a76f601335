"""The jobs that have left the queue of a real cluster, and the limits of its accounting, through SSH."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from testbed.slurm_accounting import SMALL_QOS
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_jobs import KEY, MakePoller, job_until, submit, wrap_commands, write_run
from testbed.slurm_space import User
from testbed.waiting import until

from flow_core.models.task import TaskStatus

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "sshd")


async def test_without_accounting_history_comes_from_what_the_scripts_recorded(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    now = int(datetime.now(UTC).timestamp())
    first, last = (
        f"status start 0 {now - 9}\nstatus end 0 9 0 {now - 8}",
        f"status start 1 {now - 7}\nstatus end 1 4 0 {now}",
    )
    write_run(user, "7", f"{first}\n{last}")
    poller = make_poller(cluster, user)
    (task,) = await poller.list_jobs()
    assert (task.task_id, task.name, task.command) == ("7", "train", "python train.py")
    assert (task.status, task.exit_code, task.attempt) == (TaskStatus.FAILED, 4, 1)
    assert task.completed_at == datetime.fromtimestamp(now, UTC)
    submission = poller.get_submission("7")
    assert submission is not None
    assert submission.folder == str(user.home / ".local/state/flow/slurm/runs" / KEY)
    assert poller.unreadable == ()


async def test_an_array_that_slurm_has_forgotten_is_read_from_its_elements(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    now = int(datetime.now(UTC).timestamp())
    first, other = (f"status-{index} start 0 {now}\nstatus-{index} end 0 {index + 1} 0 {now}" for index in (0, 2))
    write_run(user, "7", f"{first}\n{other}", array="0-3%2")
    poller = make_poller(cluster, user)

    async def is_listed() -> bool:
        return bool(await poller.list_jobs(0))

    await until(is_listed)
    task = await poller.get("7")
    assert [(one.status.value, one.exit_code) for one in task.elements] == [
        ("failed", 1),
        ("cancelled", None),
        ("failed", 3),
        ("cancelled", None),
    ]


async def test_a_job_that_slurm_forgets_stays_in_the_list(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    flag = user.home / "forgotten"
    bin_dir = wrap_commands(user, squeue=f'[ -e "{flag}" ] || exec /usr/bin/squeue "$@"')
    poller = make_poller(cluster, user, bin_dir=bin_dir)
    job_id = submit(cluster, user, "sleep 600", "-p", "debug")
    waiting = submit(cluster, user, "true", "--hold")
    await job_until(poller, job_id, lambda task: task.is_running)
    flag.touch()
    task = await job_until(poller, job_id, lambda task: task.is_terminal)
    assert (task.status, task.exit_code) == (TaskStatus.FAILED, None)
    assert "no longer knows" in task.message
    assert (await poller.get(waiting)).status is TaskStatus.CANCELLED


async def test_runs_of_another_client_are_known_by_their_comment(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    await poller.list_jobs()
    write_run(user, "1", "")
    job_id = submit(cluster, user, "true", "--hold", f"--comment=flow:{KEY}")
    task = await job_until(poller, job_id, lambda task: task.command != "sbatch script")
    assert (task.name, task.command) == ("train", "python train.py")


async def test_history_comes_from_the_accounting(
    accounted_cluster: SlurmCluster, member: User, make_poller: MakePoller
) -> None:
    failing = submit(accounted_cluster, member, "exit 3", "-p", "debug", "--job-name=a|b\nc")
    array = submit(accounted_cluster, member, "exit $SLURM_ARRAY_TASK_ID", "--array=0-3", "-p", "debug")
    cancelled = submit(accounted_cluster, member, "sleep 600", "-p", "debug")
    poller = make_poller(accounted_cluster, member)
    await job_until(poller, cancelled, lambda task: task.is_running)
    accounted_cluster.run("scancel", cancelled)
    for job_id in (failing, array, cancelled):
        await job_until(poller, job_id, lambda task: task.is_terminal)
    bin_dir = wrap_commands(member, squeue="exit 0")

    async def are_recorded() -> bool:
        later = make_poller(accounted_cluster, member, bin_dir=bin_dir)
        tasks = {task.task_id: task for task in await later.list_jobs()}
        return len(tasks) == 3 and len(tasks[array].elements) == 4

    await until(are_recorded)
    later = make_poller(accounted_cluster, member, bin_dir=bin_dir)
    tasks = {task.task_id: task for task in await later.list_jobs()}
    assert (tasks[failing].name, tasks[failing].exit_code) == ("a|b␊c", 3)
    assert [element.exit_code for element in tasks[array].elements] == [0, 1, 2, 3]
    assert (tasks[cancelled].status, tasks[cancelled].message) == (TaskStatus.CANCELLED, "cancelled by root")
    assert later.unreadable == ()


async def test_a_limit_of_the_qos_is_told_with_its_numbers(
    accounted_cluster: SlurmCluster, member: User, make_poller: MakePoller
) -> None:
    poller = make_poller(accounted_cluster, member)
    options = (f"--qos={SMALL_QOS}", "--gres=gpu:1")
    ids = [submit(accounted_cluster, member, "sleep 600", *options) for _ in range(3)]
    for job_id in ids[:2]:
        await job_until(poller, job_id, lambda task: task.is_running)
    task = await job_until(poller, ids[2], lambda task: "in use" in task.message)
    assert task.message == "QOSMaxGRESPerUser: 2 of 2 GPUs in use"


async def test_an_accounting_that_does_not_answer_is_a_note(
    accounted_cluster: SlurmCluster, member: User, make_poller: MakePoller
) -> None:
    failure = "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1"
    bin_dir = wrap_commands(member, sacct=failure)
    job_id = submit(accounted_cluster, member, "true", "--hold")
    tasks = await make_poller(accounted_cluster, member, bin_dir=bin_dir).list_jobs()
    assert [task.task_id for task in tasks] == [job_id]
    assert len(tasks.unreadable) == 1
    assert tasks.unreadable[0].startswith("slurmdbd, the accounting of login node 'lab', does not answer")


async def test_an_accounting_that_hangs_does_not_take_the_queue_with_it(
    accounted_cluster: SlurmCluster, member: User, make_poller: MakePoller
) -> None:
    bin_dir = wrap_commands(member, sacct="echo partial; exec sleep 600")
    job_id = submit(accounted_cluster, member, "true", "--hold")
    tasks = await make_poller(accounted_cluster, member, bin_dir=bin_dir).list_jobs()
    assert [task.task_id for task in tasks] == [job_id]
    assert tasks.unreadable == (
        "sacct on login node 'lab' did not answer within 15 s, so ended jobs may be missing; lower history_days",
    )
