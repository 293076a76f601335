"""A user of a real cluster whom only slurmrestd lets in."""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from typing import Any

from testbed.slurm_cluster import SlurmCluster
from testbed.waiting import task_until

from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.models.task_config import TaskConfig
from flow_core.providers import open_provider
from flow_core.providers.contract.provider import Provider
from flow_core.providers.contract.scheduling import SchedulingFacet

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
"""A script for two nodes, which ends with 4."""


@cache
def shared_rest_cluster() -> SlurmCluster:
    """Returns the cluster that the tests of slurmrestd share; each test needs a user of its own.

    slurmrestd waits less long than usual for a slurmctld that is down.
    """
    cluster = SlurmCluster(accounting=True, rest=True, nodes=2, options={"MessageTimeout": "4"})
    atexit.register(cluster.stop)
    cluster.start()
    return cluster


class RestLab:
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
