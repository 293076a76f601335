"""From a task whose turn has come to its running main process. Standard library only."""

from __future__ import annotations

import os

from flow_core.providers.local.launch import Child, Launch
from flow_core.providers.local.leases import GpuLocks
from flow_core.providers.local.ledger import Ledger
from flow_core.providers.local.mounting import Mounting
from flow_core.providers.local.processes import Identity


def start(ledger: Ledger, mounting: Mounting, locks: GpuLocks) -> Child:
    """Returns once the command runs and the record says so. Raises LaunchError."""
    mounting.take()
    state = ledger.state
    launch = Launch(
        argv=ledger.spec["argv"],
        env={**_environment(ledger), **mounting.environment()},
        working_dir=state.working_dir,
        mounts=mounting.mounts(),
        staging=mounting.staging,
        inherited_fds=locks.fds,
    )
    state.started_at = ledger.clock.now()
    child = launch.start()
    state.child = Identity.of(child.pid) or Identity(child.pid, "", "")
    state.status = "running"
    state.message = mounting.notice
    ledger.write()
    return child


def _environment(ledger: Ledger) -> dict[str, str]:
    spec, task, gpus = ledger.spec, ledger.task, ledger.spec["gpus"]
    env = {**os.environ, **spec["env"]}
    env.update(FLOW_TASK_ID=task.task_id, FLOW_TASK_NAME=spec["name"])
    env.update(FLOW_TASK_DIR=str(task.path), FLOW_TASK_MARK=spec["mark"])
    if ledger.state.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus["visible"][gpu_id] for gpu_id in ledger.state.gpus)
    elif gpus["hide"]:
        env["CUDA_VISIBLE_DEVICES"] = ""
    return env
