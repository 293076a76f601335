"""The testbed's Slurm cluster: its nodes run the jobs of its users, and nothing of it outlives a test run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.command_lines import list_command_lines, read_environment
from testbed.slurm_accounting import SMALL_QOS
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.waiting import wait_until

pytestmark = pytest.mark.needs("slurm")

_TESTS = Path(__file__).parents[2]
_KILLED_PROGRAM = """
import os, sys
from testbed.slurm_cluster import SlurmCluster
cluster = SlurmCluster()
cluster.start()
user = cluster.add_user()
cluster.run("sbatch", "--wrap=sleep 600", user=user)
print(cluster.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def cluster() -> Iterator[SlurmCluster]:
    cluster = SlurmCluster()
    cluster.start()
    yield cluster
    cluster.stop()


def submit(cluster: SlurmCluster, user: User, script: str, *options: str) -> str:
    return cluster.run("sbatch", "--parsable", *options, f"--wrap={script}", user=user)


def await_state(cluster: SlurmCluster, job: str, state: str) -> None:
    argv = ("scontrol", "--oneliner", "show", "job", job)
    wait_until(lambda: f" JobState={state} " in cluster.run(*argv), explain=lambda: cluster.run(*argv))


def find_processes(folder: Path) -> list[bytes]:
    """Returns the command lines of the daemons and the jobs of the cluster with this folder."""
    name = os.fsencode(folder)
    return [line for pid, line in list_command_lines() if name in line or name in b" ".join(read_environment(pid))]


def test_each_node_of_a_job_has_its_gpus_and_a_stopped_cluster_leaves_nothing(cluster: SlurmCluster) -> None:
    user = cluster.add_user()
    script = "srun sh -c 'echo $SLURMD_NODENAME $(id -un) $CUDA_VISIBLE_DEVICES | tee $SLURMD_NODENAME'"
    job = submit(cluster, user, script, "--nodes=3", "--gpus-per-node=a100:2")
    await_state(cluster, job, "COMPLETED")
    for node in cluster.plan.node_names:
        assert (user.home / node).read_text() == f"{node} {user.name} 0,1\n"
    await_state(cluster, submit(cluster, user, "sleep 600 & setsid sleep 601"), "RUNNING")
    assert find_processes(cluster.folder)
    cluster.stop()
    assert find_processes(cluster.folder) == []
    assert not cluster.folder.exists()
    cluster.stop()


def test_a_cluster_ends_with_the_process_that_started_it() -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(_TESTS)])}
    argv = [sys.executable, "-c", _KILLED_PROGRAM]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert folder.is_dir()
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not find_processes(folder) and not folder.exists())


def test_a_new_user_has_an_empty_queue_and_a_removed_one_runs_nothing_more(cluster: SlurmCluster) -> None:
    first, second = cluster.add_user(), cluster.add_user()
    running = submit(cluster, first, "trap '' TERM; sleep 600", "--exclusive", "--nodes=3")
    await_state(cluster, running, "RUNNING")
    waiting = submit(cluster, first, "true")
    assert cluster.list_jobs(first) == [running, waiting]
    assert cluster.list_jobs(second) == []
    cluster.remove_user(first)
    assert cluster.list_jobs(first) == []
    await_state(cluster, submit(cluster, second, "true"), "COMPLETED")


def test_what_a_test_does_to_a_cluster_is_undone(cluster: SlurmCluster) -> None:
    user = cluster.add_user()
    job = submit(cluster, user, "touch begun; sleep 600")
    wait_until((user.home / "begun").exists)
    cluster.drain("node2", "bad fan")
    cluster.add_reservation("course", user, nodes="node3")
    assert "bad fan" in cluster.run("sinfo", "--list-reasons")
    cluster.stop_controller()
    assert "is DOWN" in cluster.run("scontrol", "ping", check=False)
    cluster.start_controller()
    await_state(cluster, job, "RUNNING")
    cluster.pause_controller()
    cluster.renew()
    cluster.remove_user(user)
    assert cluster.run("sinfo", "--noheader", "--list-reasons") == ""
    assert cluster.run("scontrol", "show", "reservation") == "No reservations in the system"


@pytest.mark.needs("slurm-accounting")
def test_accounting_keeps_jobs_and_limits_users() -> None:
    cluster = SlurmCluster(accounting=True, rest=True)
    cluster.start()
    try:
        user, stranger = cluster.add_user(), cluster.add_user(account=None)
        job = submit(cluster, user, "exit 3")
        await_state(cluster, job, "FAILED")
        said = ("sacct", "--noheader", "--allocations", "--parsable2", "--format=JobID,State,ExitCode,Account")
        wait_until(lambda: cluster.run(*said, user=user) == f"{job}|FAILED|3:0|flow")
        limited = submit(cluster, user, "true", f"--qos={SMALL_QOS}", "--gpus=3")
        wait_until(lambda: "QOSMaxGRESPerUser" in cluster.run("squeue", "--noheader", f"--job={limited}"))
        assert "Invalid account" in cluster.run("sh", "-c", "sbatch --wrap=true 2>&1", user=stranger, check=False)
        assert cluster.token(user).count(".") == 2
    finally:
        cluster.stop()


@pytest.mark.needs("sshd")
def test_users_log_in_at_the_login_node(cluster: SlurmCluster) -> None:
    user = cluster.add_user()
    config = cluster.login.config(user=user.name)
    done = subprocess.run(
        ["ssh", "-F", config, "far", "id -un; pwd; hostname; sbatch --parsable --wrap=true; scontrol ping"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[:4] == [user.name, str(user.home), "login", "1"], done.stderr
    assert "is UP" in done.stdout
