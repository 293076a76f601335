"""Whether a task still has what it was given, when its records may say anything. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import is_locked
from flow_core.agent.records import MalformedRecord, read_known
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.processes import ProcessIdentity, ProcessTree

_gone: set[tuple[str, int, int]] = set()  # what has ended never lives again, as long as its records are the same


def is_unfinished(task: TaskFolder) -> bool:
    """True as long as the task may use its GPUs, volumes and ports; False also where there is no such task."""
    try:
        state, _ = TaskState.read_known(task.state)
    except MalformedRecord:
        return may_live(task)
    return state is not None and not state.is_over


def may_live(task: TaskFolder) -> bool:
    """Whether anything of a task lives whose record is broken. Looks through all processes when need be.

    Of a task with an image nobody can tell, since its engine starts the processes: it counts as alive.
    """
    stamp = (str(task.path), _stamp(task.spec), _stamp(task.state))
    if stamp in _gone:
        return False
    if _lives(task):
        return True
    _gone.add(stamp)
    return False


def _lives(task: TaskFolder) -> bool:
    if _is_kept(task):
        return True
    spec = _known_spec(task)
    children: list[ProcessIdentity] = []
    try:
        state, _ = TaskState.read_known(task.state)
        children = [] if state is None else state.children
    except MalformedRecord:
        if spec.get("container"):
            return True
    mark = spec.get("mark")
    if not isinstance(mark, str) or not mark:
        return any(child.is_alive for child in children)
    return bool(ProcessTree(mark, children).members())


def _is_kept(task: TaskFolder) -> bool:
    """Whether its supervisor lives. Only for a task that was taken over once: it must not meet one that begins."""
    try:
        return is_locked(task.alive_lock)
    except OSError:
        return True


def _known_spec(task: TaskFolder) -> dict[str, Any]:
    try:
        return read_known(task.spec)[0] or {}
    except MalformedRecord:
        return {}


def _stamp(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
