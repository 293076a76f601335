"""Who holds which GPU. Standard library only.

A GPU is held through a lock whose descriptor every process of the task inherits, and a lease that names
the task. It is free when its lock can be taken, the task in its lease is over, and nobody works on it: the lease alone
keeps it where locks can't be trusted (NFS), the lock alone where a process outlived its record. A lease that can't be
read stands for the task whose record names the GPU.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from flow_core.agent.capacity.orphan_gpus import OrphanGpuCache, find_orphan_gpus
from flow_core.agent.gpus import find_busy_gpus
from flow_core.agent.layout import TaskFolder, find_task_folder, iter_tasks
from flow_core.agent.liveness import is_unfinished
from flow_core.agent.locks import is_locked, release, try_lock
from flow_core.agent.records import MalformedRecord, read_known, write_json
from flow_core.agent.state import TaskState

_strangers = OrphanGpuCache()
_UNSAFE = r"[^A-Za-z0-9.-]"


class GpuLocks:
    """The locks one task holds. Keep it as long as anything of the task may live."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def release(self) -> None:
        while self.fds:
            release(self.fds.pop())


def take_gpus(task: TaskFolder, candidates: Iterable[str], count: int) -> GpuLocks | None:
    """All `count` of the candidates or none. Call it under the queue's lock. The ids are in `find_leased_gpus`."""
    locks = GpuLocks()
    names: list[str] = []
    free = [gpu_id for gpu_id in candidates if _is_free(task.root, gpu_id)]
    if len(free) >= count:
        lost = {*find_orphan_gpus(task.root), *find_busy_gpus(free)}
        free = [gpu_id for gpu_id in free if gpu_id not in lost]
    for gpu_id in free if len(free) >= count else ():  # else others would see GPUs held by one who can't have them
        if len(names) == count:
            break
        if (fd := try_lock(_lock(task.root, gpu_id))) is not None:
            locks.fds.append(fd)
            names.append(gpu_id)
    if len(names) < count:
        locks.release()
        return None
    for gpu_id in names:
        write_json(_lease(task.root, gpu_id), {"gpu": gpu_id, "task": task.name_in_records})
    return locks


def find_holders(root: Path, gpu_ids: Iterable[str]) -> dict[str, TaskFolder | None]:
    """The GPUs of these that are not free, each with its holder where that is known."""
    held: dict[str, TaskFolder | None] = {}
    for gpu_id in gpu_ids:
        holder = _holder(root, gpu_id)
        if holder is not None:
            held[gpu_id] = holder
        elif is_locked(_lock(root, gpu_id)) or gpu_id in _strangers.used(root):
            held[gpu_id] = None
    return held


def find_leased_gpus(task: TaskFolder, candidates: Iterable[str]) -> list[str]:
    """The GPUs whose lease names this task."""
    return [gpu_id for gpu_id in candidates if _leaseholder(task.root, gpu_id) == task]


def release_leases(task: TaskFolder, gpu_ids: Iterable[str]) -> None:
    """Ends the leases of a task whose end can't be written yet, on a full disk for one. Twice is safe."""
    for gpu_id in find_leased_gpus(task, gpu_ids):
        try:
            os.unlink(_lease(task.root, gpu_id))
        except OSError:
            pass


def _is_free(root: Path, gpu_id: str) -> bool:
    return _holder(root, gpu_id) is None and not is_locked(_lock(root, gpu_id))


def _holder(root: Path, gpu_id: str) -> TaskFolder | None:
    """The unfinished task in the lease."""
    task = _leaseholder(root, gpu_id)
    return task if task is not None and is_unfinished(task) else None


def _leaseholder(root: Path, gpu_id: str) -> TaskFolder | None:
    try:
        data, problem = read_known(_lease(root, gpu_id))
    except MalformedRecord:
        return _user_of(root, gpu_id)
    task = find_task_folder(root, (data or {}).get("task"))
    return _user_of(root, gpu_id) if task is None and problem else task


def _user_of(root: Path, gpu_id: str) -> TaskFolder | None:
    """The unfinished task whose own record says that it has this GPU."""
    for task in iter_tasks(root):
        try:
            state, _ = TaskState.read_known(task.state)
        except MalformedRecord:
            continue  # the lock guards what is left of it
        if state is not None and not state.is_over and gpu_id in state.gpus:
            return task
    return None


def _lease(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE, "_", gpu_id) + ".json")


def _lock(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE, "_", gpu_id) + ".lock")
