"""Submits tasks to a test's cluster without a provider, and reads what became of them from Slurm and from the files."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import User
from testbed.waiting import until

from flow_core.models.task_config import TaskConfig
from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.run_folder import Submission
from flow_core.providers.slurm.settings import LoginHost, SlurmSettings
from flow_core.providers.slurm.submit.site import Site
from flow_core.providers.slurm.submit.submission import SlurmSubmission


@dataclass(frozen=True)
class Submitted:
    """One task: what was submitted, and the id of its job."""

    record: Submission
    job_id: str

    @property
    def folder(self) -> Path:
        return Path(self.record.folder)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(errors="replace")

    def read_log(self, attempt: int = 0, rank: int = 0) -> str:
        return self.read(f"attempt-{attempt}/rank-{rank}.log")

    def read_status(self, index: int | None = None) -> list[list[str]]:
        """The lines of the status without their times."""
        lines = self.read("status" if index is None else f"status-{index}").splitlines()
        return [line.split()[:-1] for line in lines]


class Submitter:
    """A user of a cluster who submits through SSH. `settings` are those of the context, apart from the host."""

    def __init__(self, cluster: SlurmCluster, user: User, pool: HostPool, **settings: Any) -> None:
        config = cluster.login.config(name="lab", user=user.name)
        self.cluster = cluster
        self.user = user
        self.settings = SlurmSettings(LoginHost("lab", ssh_config=config), **settings)
        self._pool = pool
        self._connect()

    def change(self, **settings: Any) -> None:
        """Changes settings of the context."""
        self.settings = replace(self.settings, **settings)
        self._connect()

    def _connect(self) -> None:
        self.login_node = LoginNode(self.settings, self._pool)
        self.site = Site(self.login_node, self.settings)

    def prepare(self, command: str | list[str], **fields: Any) -> SlurmSubmission:
        config = TaskConfig.parse({"upload_code": False, "command": command, **fields})
        return SlurmSubmission(config, self.login_node, self.settings, self.site)

    async def submit(self, command: str | list[str], **fields: Any) -> Submitted:
        return Submitted(*await self.prepare(command, **fields).run())

    async def run(self, command: str | list[str], **fields: Any) -> Submitted:
        """Submits a task, and waits for its end."""
        task = await self.submit(command, **fields)
        await self.until_ended(task)
        return task

    async def until_ended(self, task: Submitted) -> None:
        states = "PD,R,CG,CF,S,SO,RQ,RS"
        argv = ("squeue", "--noheader", f"--user={self.user.name}", f"--states={states}", "--format=%F")
        await until(
            lambda: task.job_id not in self.cluster.run(*argv).split(), explain=lambda: self.cluster.run("squeue", "-l")
        )

    async def until_logged(self, task: Submitted, text: str, attempt: int = 0, rank: int = 0) -> None:
        path = task.folder / f"attempt-{attempt}" / f"rank-{rank}.log"
        await until(lambda: path.exists() and text in path.read_text(), explain=lambda: self.show(task))

    def show(self, task: Submitted) -> str:
        """Everything about a task, to explain a failure."""
        files = [path for path in sorted(task.folder.rglob("*")) if path.is_file() and path.name != "script.sh"]
        texts = [f"== {path}\n{path.read_text(errors='replace')}" for path in files]
        return "\n".join([str(self.describe_job(task.job_id)), *texts])

    def describe_job(self, job_id: str) -> dict[str, str]:
        """The fields of a job in Slurm's words; of an array, those of its first element."""
        line = self.cluster.run("scontrol", "--oneliner", "show", "job", job_id).splitlines()[0]
        return dict(word.split("=", 1) for word in line.split() if "=" in word)

    def list_traces(self) -> set[str]:
        """The user's jobs, also refused ones, and all files of flow in the user's home."""
        argv = ("squeue", "--noheader", "--states=all", f"--user={self.user.name}", "--format=%i %T %r")
        files = (self.user.home / ".local" / "state" / "flow" / "slurm").rglob("*")
        return {*self.cluster.run(*argv).splitlines(), *map(str, files)}

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Writes a file in the user's home."""
        path = self.user.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        for one in (path, *path.parents):
            if not one.is_relative_to(self.user.home) or one == self.user.home:
                break
            shutil.chown(one, self.user.uid, self.user.uid)
        return path


def list_command_lines() -> bytes:
    """The command lines of all processes that run now."""
    found = b""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            found += Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            continue
    return found
