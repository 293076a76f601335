"""The leases of GPUs, which record the task that holds each GPU.

A task holds a GPU by a lock, whose descriptor all its processes inherit, and by a lease that names the task. A GPU is
free if its lock can be taken, the task in its lease is over, and no process uses it. The lease protects the GPU if
locks are unreliable (NFS); the lock protects it while a process outlives its task's record. If a lease can't be read,
the holder is the task whose record names the GPU.
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
from flow_core.agent.task_state import TaskState

_orphan_gpus = OrphanGpuCache()
_UNSAFE_CHARACTERS = r"[^A-Za-z0-9.-]"


class GpuLocks:
    """The GPU locks of one task. Keep this object as long as a process of the task may live."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def release(self) -> None:
        """Releases all locks. Calling it again is safe."""
        while self.fds:
            release(self.fds.pop())


def take_gpus(task: TaskFolder, candidates: Iterable[str], count: int) -> GpuLocks | None:
    """Takes `count` of the candidates and returns their locks; None if fewer are free.

    `find_leased_gpus` then returns their ids. Call it under the queue's lock.
    """
    locks = GpuLocks()
    taken: list[str] = []
    free = [gpu_id for gpu_id in candidates if _is_free(task.root, gpu_id)]
    if len(free) >= count:
        unavailable = {*find_orphan_gpus(task.root), *find_busy_gpus(free)}
        free = [gpu_id for gpu_id in free if gpu_id not in unavailable]
    for gpu_id in free if len(free) >= count else ():  # otherwise others would see GPUs held by a task that can't start
        if len(taken) == count:
            break
        if (fd := try_lock(_lock_path(task.root, gpu_id))) is not None:
            locks.fds.append(fd)
            taken.append(gpu_id)
    if len(taken) < count:
        locks.release()
        return None
    for gpu_id in taken:
        write_json(_lease_path(task.root, gpu_id), {"gpu": gpu_id, "task": task.name_in_records})
    return locks


def find_holders(root: Path, gpu_ids: Iterable[str]) -> dict[str, TaskFolder | None]:
    """Returns the GPUs that are not free, each with the task that holds it; None if the task is unknown."""
    holders: dict[str, TaskFolder | None] = {}
    for gpu_id in gpu_ids:
        holder = _find_holder(root, gpu_id)
        if holder is not None:
            holders[gpu_id] = holder
        elif is_locked(_lock_path(root, gpu_id)) or gpu_id in _orphan_gpus.find(root):
            holders[gpu_id] = None
    return holders


def find_leased_gpus(task: TaskFolder, candidates: Iterable[str]) -> list[str]:
    """Returns the GPUs whose lease names this task."""
    return [gpu_id for gpu_id in candidates if _read_lease(task.root, gpu_id) == task]


def release_leases(task: TaskFolder, gpu_ids: Iterable[str]) -> None:
    """Removes the leases of a task whose final record can't be written yet, for example on a full disk.

    Calling it again is safe.
    """
    for gpu_id in find_leased_gpus(task, gpu_ids):
        try:
            os.unlink(_lease_path(task.root, gpu_id))
        except OSError:
            pass


def _is_free(root: Path, gpu_id: str) -> bool:
    return _find_holder(root, gpu_id) is None and not is_locked(_lock_path(root, gpu_id))


def _find_holder(root: Path, gpu_id: str) -> TaskFolder | None:
    """Returns the task that the lease names, if it is unfinished."""
    task = _read_lease(root, gpu_id)
    return task if task is not None and is_unfinished(task) else None


def _read_lease(root: Path, gpu_id: str) -> TaskFolder | None:
    try:
        data, problem = read_known(_lease_path(root, gpu_id))
    except MalformedRecord:
        return _find_task_by_record(root, gpu_id)
    task = find_task_folder(root, (data or {}).get("task"))
    return _find_task_by_record(root, gpu_id) if task is None and problem else task


def _find_task_by_record(root: Path, gpu_id: str) -> TaskFolder | None:
    """Returns the unfinished task whose own record contains this GPU."""
    for task in iter_tasks(root):
        try:
            state, _ = TaskState.read_known(task.state)
        except MalformedRecord:
            continue  # the lock protects the GPU while processes of that task live
        if state is not None and not state.is_over and gpu_id in state.gpus:
            return task
    return None


def _lease_path(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE_CHARACTERS, "_", gpu_id) + ".json")


def _lock_path(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE_CHARACTERS, "_", gpu_id) + ".lock")
