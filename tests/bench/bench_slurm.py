"""A refresh of a queue with 5,000 jobs on a real cluster: our own CPU time for it, and the calls that it costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.table import Row, median
from testbed.slurm_cluster import SlurmCluster
from testbed.slurm_space import PATH

from flow_core.providers.over_ssh.host_pool import HostPool
from flow_core.providers.slurm.login_node import LoginNode
from flow_core.providers.slurm.queue.job_poller import JobPoller
from flow_core.providers.slurm.queue.job_table import JobTable
from flow_core.providers.slurm.queue.own_runs import OwnRuns
from flow_core.providers.slurm.queue.record_cache import RecordCache
from flow_core.providers.slurm.queue.records import make_token
from flow_core.providers.slurm.queue.squeue import SqueueDecoder, build_format
from flow_core.providers.slurm.settings import SlurmSettings
from flow_core.providers.slurm.task_conversion import Surroundings

ROUNDS = 9
ARRAYS, ELEMENTS = 5, 1000


def measure() -> list[Row]:
    if shutil.which("slurmctld", path=PATH) is None or os.geteuid() != 0:
        return []
    cluster = SlurmCluster()
    cluster.start()
    try:
        for number in range(ARRAYS):
            options = ("--hold", f"--array=0-{ELEMENTS - 1}", "--gpus-per-node=a100:4", f"--job-name=sweep-{number}")
            cluster.run("sbatch", *options, "--wrap=python train.py")
        return asyncio.run(_rows(cluster))
    finally:
        cluster.stop()


async def _rows(cluster: SlurmCluster) -> list[Row]:
    calls = cluster.folder / "calls"
    settings = SlurmSettings(bin_dir=_count_calls(cluster, calls), slurm_conf=str(cluster.plan.conf), history_days=0)
    node = LoginNode(settings, HostPool())
    try:
        await node.query("true")  # finds the commands
        polls: list[JobPoller] = []

        async def refresh() -> None:
            polls.append(JobPoller(node, settings, "lab"))
            tasks = await polls[-1].list_jobs()
            assert sum(len(task.elements) for task in tasks) == ARRAYS * ELEMENTS

        first = [await _cpu_ms(refresh) for _ in range(ROUNDS)]
        each = len(calls.read_text().splitlines()) / ROUNDS
        again = [await _cpu_ms(lambda: polls[-1].list_jobs(0)) for _ in range(ROUNDS)]
    finally:
        await node.close()
    name = "refresh with 5,000 jobs in the queue"
    return [
        Row(f"{name}, CPU", median(first), 100, "ms", f"{median(again):.1f} ms if nothing changed"),
        Row(f"{name}, calls", each, 1, "x", "of squeue"),
        await _long_row(cluster),
    ]


async def _long_row(cluster: SlurmCluster) -> Row:
    """The decoder also reads one line for each element, as `squeue -r` prints it."""
    token = make_token()
    argv = ("squeue", "-h", "-r", "-t", "all", "-O", build_format(token))
    text = cluster.run("env", "TZ=UTC0", *argv) + "\n"

    async def decode() -> None:
        table = JobTable()
        cache = RecordCache(table, OwnRuns())
        table.set_queue(await SqueueDecoder().decode(text, token), "root")
        cache.refresh(table.take_changed(), Surroundings("lab"))
        assert sum(len(record.elements) for record in cache.rows) == ARRAYS * ELEMENTS

    times = [await _cpu_ms(decode) for _ in range(ROUNDS)]
    return Row("5,000 lines of squeue -r, CPU", median(times), 100, "ms", f"{len(text) / 1e6:.1f} MB of text")


def _count_calls(cluster: SlurmCluster, log: Path) -> str:
    """Makes a folder with Slurm's commands, of which squeue notes each call; returns its path."""
    folder = cluster.folder / "bin"
    folder.mkdir()
    for name in ("sbatch", "scontrol", "sinfo", "sacct", "scancel", "srun", "sacctmgr"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    wrapper = folder / "squeue"
    wrapper.write_text(f'#!/bin/sh\necho call >> "{log}"\nexec /usr/bin/squeue "$@"\n')
    wrapper.chmod(0o755)
    return str(folder)


async def _cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    await work()
    return (time.process_time() - began) * 1000
