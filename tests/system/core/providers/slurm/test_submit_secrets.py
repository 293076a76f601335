"""The values of a task's variables are in no script, command line, description or record of a real cluster."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_submits import Submitted, Submitter, list_command_lines
from testbed.slurm_worlds import shared_cluster
from testbed.waiting import until

from flow_core.errors import FlowError, Unsupported
from flow_core.models.task_config import TaskConfig
from flow_core.providers.slurm.queue.job_poller import JobPoller
from flow_core.providers.slurm.submit.submission import describe_submission

pytestmark = pytest.mark.needs("slurm", "slurm-accounting", "sshd")
SECRET = "hunter2-Ahc5ahsh"
SCRIPT = "#!/bin/bash\n#SBATCH --time=5\necho $TOKEN\n"


@pytest.fixture
def cluster() -> SlurmCluster:
    """A cluster that stores the script and the environment of every job."""
    cluster = shared_cluster(accounting=True)
    cluster.renew()
    return cluster


def kill_script(task: Submitted) -> None:
    """Kills the shell of the batch script, as the kernel does when memory is short."""
    name = f"job{int(task.job_id):05}/slurm_script".encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if name in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.mark.parametrize("ranks", [1, 2])
async def test_slurm_and_other_users_see_no_value_of_a_variable(submitter: Submitter, ranks: int) -> None:
    cluster, seen = submitter.cluster, b""
    submitting = asyncio.create_task(
        submitter.submit('[ "$TOKEN" ] && echo ready; sleep 600', env={"TOKEN": SECRET}, num_instances=ranks)
    )
    while not submitting.done():
        seen += list_command_lines()
        await asyncio.sleep(0)
    task = submitting.result()
    await submitter.until_logged(task, "ready", rank=ranks - 1)
    seen += list_command_lines()
    assert task.job_id.encode() in seen  # the processes of the job were looked at
    texts = [
        cluster.run("scontrol", "show", "job", task.job_id),
        cluster.run("scontrol", "write", "batch_script", task.job_id, "-"),
        cluster.run("squeue", "--Format=all", f"--jobs={task.job_id}", check=False),
        task.read("submission.json"),
        repr(task.record),
        seen.decode(errors="replace"),
    ]
    stored = ("sacct", "--noheader", f"--jobs={task.job_id}")
    await until(lambda: "flow wrote this" in cluster.run(*stored, "--batch-script"))
    await until(lambda: "SLURM_JOB_NAME" in cluster.run(*stored, "--env-vars"))
    texts += [cluster.run(*stored, *more) for more in (["--batch-script"], ["--env-vars"], ["-P", "-o", "ALL"])]
    for text in texts:
        assert SECRET not in text
    assert stat.S_IMODE((task.folder / "env.sh").stat().st_mode) == 0o600
    with_secret = [path for path in task.folder.rglob("*") if path.is_file() and SECRET in path.read_text()]
    assert with_secret == [task.folder / "env.sh"]
    cluster.run("scancel", task.job_id)
    await submitter.until_ended(task)
    assert not (task.folder / "env.sh").exists()


async def test_the_variables_of_a_job_that_was_killed_are_removed_by_the_next_polls(submitter: Submitter) -> None:
    task = await submitter.submit("echo ready; sleep 600", env={"TOKEN": SECRET})
    await submitter.until_logged(task, "ready")
    submitter.change(poll_s=0.1)
    poller = JobPoller(submitter.login_node, submitter.settings, "lab")
    poller.note_submitted(task.record, task.job_id)
    await poller.list_jobs()
    assert (task.folder / "env.sh").exists()
    kill_script(task)
    await submitter.until_ended(task)
    assert (task.folder / "env.sh").exists()  # the script had no time to remove it

    async def is_removed() -> bool:
        await poller.list_jobs(0)
        return not (task.folder / "env.sh").exists()

    await until(is_removed)
    assert task.read_log() == "ready\n"
    await poller.close()


async def test_descriptions_and_errors_have_no_value_of_a_variable(submitter: Submitter) -> None:
    fields = {"command": "true", "env": {"TOKEN": SECRET}}
    shown = describe_submission(TaskConfig.parse(fields), submitter.settings, submitter.site)
    assert "TOKEN=..." in shown
    assert SECRET not in shown
    for more in ({"region": "mars"}, {"provider_options": {"slurm": {"mem": "x"}}}, {"working_dir": "/nowhere"}):
        with pytest.raises(FlowError) as refused:
            await submitter.submit("true", env={"TOKEN": SECRET}, **more)
        assert SECRET not in f"{refused.value!r}{refused.value}"


async def test_a_cluster_that_stores_environments_gets_no_variables_for_a_script_of_the_user(
    submitter: Submitter,
) -> None:
    with pytest.raises(Unsupported, match=r"^env: this cluster stores the environment") as refused:
        await submitter.submit(SCRIPT, env={"TOKEN": SECRET})
    assert SECRET not in str(refused.value)
    assert not (submitter.user.home / ".local").exists()
