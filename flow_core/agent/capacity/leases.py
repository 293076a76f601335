"""Who holds which GPU. Standard library only.

A GPU is held through a lock whose descriptor every process of the task inherits, and a lease that names
the task. It is free when its lock can be taken and the task in its lease is over: the lease alone keeps
it where locks can't be trusted (NFS), the lock alone where a process outlived its record.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flow_core.agent.capacity.strangers import Strangers, used_by_strangers
from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, read_json, try_lock, write_json
from flow_core.agent.state import State

_strangers = Strangers()
_UNSAFE = r"[^A-Za-z0-9.-]"


class GpuLocks:
    """The locks one task holds. Keep it until the task's record is final."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def release(self) -> None:
        while self.fds:
            os.close(self.fds.pop())


def take(task: TaskFolder, candidates: Iterable[str], count: int) -> GpuLocks | None:
    """All `count` of the candidates or none. Call it under the queue's lock. The ids are in `leased_by`."""
    locks = GpuLocks()
    names: list[str] = []
    lost = used_by_strangers(task.root)
    for gpu_id in candidates:
        if len(names) == count:
            break
        if gpu_id not in lost and (fd := _take_one(task.root, gpu_id)) is not None:
            locks.fds.append(fd)
            names.append(gpu_id)
    if len(names) < count:
        locks.release()
        return None
    for gpu_id in names:
        write_json(_lease(task.root, gpu_id), {"gpu": gpu_id, "task": str(task.path.relative_to(task.root))})
    return locks


def held_by(root: Path, gpu_ids: Iterable[str]) -> dict[str, TaskFolder | None]:
    """The GPUs of these that are not free, each with its holder where that is known."""
    held: dict[str, TaskFolder | None] = {}
    lost = _strangers.used(root)
    for gpu_id in gpu_ids:
        holder = _holder(root, gpu_id)
        if holder is not None:
            held[gpu_id] = holder
        elif gpu_id in lost or (fd := try_lock(_lock(root, gpu_id))) is None:
            held[gpu_id] = None
        else:
            os.close(fd)
    return held


def leased_by(task: TaskFolder, candidates: Iterable[str]) -> list[str]:
    """The GPUs whose lease names this task."""
    mine = str(task.path.relative_to(task.root))
    return [gpu_id for gpu_id in candidates if _read_lease(task.root, gpu_id).get("task") == mine]


def give_back(task: TaskFolder, gpu_ids: Iterable[str]) -> None:
    """Ends the leases of a task whose end can't be written yet, on a full disk for one. Twice is safe."""
    for gpu_id in leased_by(task, gpu_ids):
        try:
            os.unlink(_lease(task.root, gpu_id))
        except OSError:
            pass


def _take_one(root: Path, gpu_id: str) -> int | None:
    return None if _holder(root, gpu_id) is not None else try_lock(_lock(root, gpu_id))


def _holder(root: Path, gpu_id: str) -> TaskFolder | None:
    """The unfinished task in the lease."""
    named = _read_lease(root, gpu_id).get("task")
    if not isinstance(named, str) or ".." in named:
        return None
    task = TaskFolder(root / named)
    try:
        state = State.read(task.state)
    except MalformedRecord:
        return None  # such a task is shown as failed; the lock still guards what is left of it
    return None if state is None or state.is_final else task


def _read_lease(root: Path, gpu_id: str) -> dict[str, Any]:
    try:
        return read_json(_lease(root, gpu_id)) or {}
    except MalformedRecord:
        return {}


def _lease(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE, "_", gpu_id) + ".json")


def _lock(root: Path, gpu_id: str) -> Path:
    return root / "gpus" / (re.sub(_UNSAFE, "_", gpu_id) + ".lock")
