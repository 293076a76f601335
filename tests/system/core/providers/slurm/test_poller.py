"""The poller of the jobs of real clusters, through SSH."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import pytest
from testbed.slurm_accounting import SMALL_QOS
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.slurm_worlds import shared_cluster
from testbed.waiting import until

from flow_core.errors import NotFound, Unreachable
from flow_core.models.task import TaskRecord, TaskStatus
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.queue.job_poller import JobPoller
from flow_core.providers.slurm.run_folder import Submission
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings

pytestmark = pytest.mark.needs("slurm", "sshd")
KEY = "abcdef012345"
MakePoller = Callable[..., JobPoller]


@pytest.fixture
def accounted_cluster() -> SlurmCluster:
    cluster = shared_cluster(accounting=True)
    cluster.renew()
    return cluster


@pytest.fixture
def member(accounted_cluster: SlurmCluster) -> Iterator[User]:
    """A user of the cluster with accounting."""
    user = accounted_cluster.add_user()
    yield user
    accounted_cluster.renew()
    accounted_cluster.remove_user(user)


@pytest.fixture
async def make_poller() -> AsyncIterator[MakePoller]:
    pool = HostPool()
    pollers = []

    def make(cluster: SlurmCluster, user: User, **settings: object) -> JobPoller:
        host = LoginHost("lab", ssh_config=cluster.login.config(name="lab", user=user.name))
        chosen = SlurmSettings(host=host, **{"poll_s": 0.1, **settings})  # type: ignore[arg-type]
        pollers.append(JobPoller(LoginNode(chosen, pool), chosen, "lab"))
        return pollers[-1]

    yield make
    for poller in pollers:
        await poller.close()
    await pool.close()


def submit(cluster: SlurmCluster, user: User, command: str, *options: str) -> str:
    """Submits as the user does; returns the job id."""
    return cluster.run("sbatch", "--parsable", *options, f"--wrap={command}", user=user).partition(";")[0]


async def task_until(poller: JobPoller, task_id: str, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
    latest: TaskRecord | None = None

    async def reached() -> bool:
        nonlocal latest
        latest = await poller.get(task_id, max_age_s=0)
        return holds(latest)

    await until(reached, explain=lambda: latest)
    assert latest is not None
    return latest


def wrap_commands(user: User, **scripts: str) -> str:
    """Makes a folder with Slurm's commands, of which some are scripts of the test; returns its path."""
    folder = user.home / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "sacct", "sinfo", "scontrol", "scancel", "sacctmgr", "srun"):
        path = folder / name
        if name in scripts:
            path.write_text(f"#!/bin/sh\n{scripts[name]}\n")
            path.chmod(0o755)
        else:
            path.symlink_to(f"/usr/bin/{name}")
    return str(folder)


def write_run(user: User, job_id: str, status: str, **fields: object) -> None:
    """Writes the files that a submission and its script leave on the cluster."""
    folder = user.home / ".local" / "state" / "flow" / "slurm"
    run = folder / "runs" / KEY
    run.mkdir(parents=True)
    submission = Submission(str(run), "train", "python train.py", submitted_at=datetime.now(UTC).timestamp())
    (run / "submission.json").write_text(json.dumps({**json.loads(submission.to_json()), **fields}))
    for name, text in [line.split(" ", 1) for line in status.splitlines()]:
        with (run / name).open("a") as file:
            file.write(f"{text}\n")
    (folder / "jobs").mkdir()
    (folder / "jobs" / job_id).symlink_to(f"../runs/{KEY}")
    for path in (user.home / ".local").rglob("*"):
        os.lchown(path, user.uid, user.uid)
    os.chown(user.home / ".local", user.uid, user.uid)


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

    running = await task_until(poller, wide, lambda task: task.is_running)
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

    waiting = await task_until(poller, big, lambda task: "Resources" in task.message and "start" in task.message)
    assert waiting.message.startswith("waits for Resources, start about ")
    assert waiting.status is TaskStatus.PENDING
    tasks = {task.task_id: task for task in await poller.list_jobs(0)}
    assert list(tasks) == [after, killed, failing, held, big, wide]
    assert (tasks[held].is_held, tasks[held].message) == (True, "held by you; release it to let it start")
    assert tasks[held].instance_type == "2xcpu"
    assert tasks[after].message == f"waits for job {wide} to succeed (Dependency)"

    ended = await task_until(poller, failing, lambda task: task.is_terminal)
    assert (ended.status, ended.exit_code, ended.message) == (TaskStatus.FAILED, 3, "")
    assert ended.completed_at is not None
    ended = await task_until(poller, killed, lambda task: task.is_terminal)
    assert (ended.exit_code, ended.message) == (139, "killed by SIGSEGV")

    cluster.run("scancel", wide, user=user)
    ended = await task_until(poller, wide, lambda task: task.is_terminal)
    assert ended.status is TaskStatus.CANCELLED
    with pytest.raises(NotFound):
        await poller.get("99999999")


async def test_an_array_is_one_task_with_elements(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    poller = make_poller(cluster, user)
    array = submit(cluster, user, "sleep 0.2; exit $((SLURM_ARRAY_TASK_ID % 2 * 3))", "--array=0-7%4", "-p", "debug")
    held = submit(cluster, user, "true", "--array=1-900:3", "--hold")
    task = await task_until(poller, array, lambda task: task.is_terminal)
    assert (task.status, task.exit_code, task.message) == (TaskStatus.FAILED, 3, "4 failed, 4 completed")
    assert [element.exit_code for element in task.elements] == [0, 3] * 4
    waiting = await poller.get(held)
    assert [element.index for element in waiting.elements] == list(range(1, 901, 3))
    assert waiting.message == "300 pending; held by you; release it to let it start"
    assert {job.slurm_id for job in await poller.get_jobs(array)} == {f"{array}_{index}" for index in range(8)}
    assert (await poller.get_job(held)).task_id == held
    cluster.run("scancel", held, user=user)
    cancelled = await task_until(poller, held, lambda task: task.is_terminal)
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


async def test_the_answer_of_a_slow_slurmctld_serves_longer(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    log = user.home / "calls"
    bin_dir = wrap_commands(user, squeue=f'echo call >> "{log}"\nsleep 0.5\nexec /usr/bin/squeue "$@"')
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
    task = await task_until(make_poller(cluster, user), job_id, lambda task: task.is_running)
    assert task.started_at is not None
    assert abs((datetime.now(UTC) - task.started_at).total_seconds()) < 60


async def test_a_requeued_job_is_the_next_attempt(cluster: SlurmCluster, user: User, make_poller: MakePoller) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "sleep 600", "--requeue", "-p", "debug")
    await task_until(poller, job_id, lambda task: task.is_running)
    cluster.run("scontrol", "requeue", job_id, user=user)
    task = await task_until(poller, job_id, lambda task: task.attempt == 1 and "requeued" in task.message)
    assert task.status is TaskStatus.PENDING
    cluster.run("scontrol", "hold", job_id, user=user)
    task = await task_until(poller, job_id, lambda task: task.is_held)
    assert task.message == "held by you; release it to let it start"


async def test_a_suspended_job_is_paused_and_a_drained_node_is_told(
    cluster: SlurmCluster, user: User, make_poller: MakePoller
) -> None:
    poller = make_poller(cluster, user)
    job_id = submit(cluster, user, "sleep 600", "-p", "debug")
    task = await task_until(poller, job_id, lambda task: task.is_running)
    (node,) = task.instances
    cluster.drain(node, "bad GPU \x1b[31m| 3")
    other = make_poller(cluster, user)
    task = await task_until(other, job_id, lambda task: bool(task.message))
    assert task.message == f"node {node} is draining (bad GPU ␛[31m| 3); the job runs on"
    cluster.run("scontrol", "suspend", job_id)
    task = await task_until(poller, job_id, lambda task: task.status is TaskStatus.PAUSED)
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
    await task_until(poller, job_id, lambda task: task.is_running)
    flag.touch()
    task = await task_until(poller, job_id, lambda task: task.is_terminal)
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
    task = await task_until(poller, job_id, lambda task: task.command != "sbatch script")
    assert (task.name, task.command) == ("train", "python train.py")


async def test_history_comes_from_the_accounting(
    accounted_cluster: SlurmCluster, member: User, make_poller: MakePoller
) -> None:
    failing = submit(accounted_cluster, member, "exit 3", "-p", "debug", "--job-name=a|b\nc")
    array = submit(accounted_cluster, member, "exit $SLURM_ARRAY_TASK_ID", "--array=0-3", "-p", "debug")
    cancelled = submit(accounted_cluster, member, "sleep 600", "-p", "debug")
    poller = make_poller(accounted_cluster, member)
    await task_until(poller, cancelled, lambda task: task.is_running)
    accounted_cluster.run("scancel", cancelled)
    for job_id in (failing, array, cancelled):
        await task_until(poller, job_id, lambda task: task.is_terminal)
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
        await task_until(poller, job_id, lambda task: task.is_running)
    task = await task_until(poller, ids[2], lambda task: "in use" in task.message)
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
