"""Jobs of users of a test's Slurm cluster, and pollers of their queue."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.waiting import until

from flow_core.models.task import TaskRecord
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.queue.job_poller import JobPoller
from flow_core.providers.slurm.run_folder import Submission
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings

KEY = "abcdef012345"
"""The KEY of the run that `write_run` writes."""
MakePoller = Callable[..., JobPoller]


@asynccontextmanager
async def opened_pollers() -> AsyncIterator[MakePoller]:
    """Gives a function that makes a poller of a user of a cluster, through SSH, with further settings."""
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


async def job_until(poller: JobPoller, task_id: str, holds: Callable[[TaskRecord], bool]) -> TaskRecord:
    """Polls until the task is as it should be, and returns it as it was then."""
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
