"""Checks whether a task may still use its resources, even if its records are broken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import is_locked
from flow_core.agent.processes.tree import ProcessIdentity, ProcessTree
from flow_core.agent.records import MalformedRecord, read_known
from flow_core.agent.task_state import TaskState

_ended_tasks: set[tuple[str, int, int]] = set()  # an ended task stays ended while its records are unchanged


def is_unfinished(task: TaskFolder) -> bool:
    """Returns whether the task may still use its GPUs, volumes and ports; False if there is no such task."""
    try:
        state, _ = TaskState.read_known(task.state)
    except MalformedRecord:
        return may_be_alive(task)
    return state is not None and not state.is_over


def may_be_alive(task: TaskFolder) -> bool:
    """Returns whether a process of a task with a broken record may be alive. May scan all processes.

    A task with an image counts as alive: the engine starts its processes, so they can't be found.
    """
    stamp = (str(task.path), _stamp(task.spec), _stamp(task.state))
    if stamp in _ended_tasks:
        return False
    if _has_processes(task):
        return True
    _ended_tasks.add(stamp)
    return False


def _has_processes(task: TaskFolder) -> bool:
    if _has_supervisor(task):
        return True
    spec = _read_spec(task)
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
    return bool(ProcessTree(mark, children).list_members())


def _has_supervisor(task: TaskFolder) -> bool:
    """Returns whether the task's supervisor is alive.

    Only for a task that its supervisor has taken over once: the check must not disturb a supervisor that starts.
    """
    try:
        return is_locked(task.alive_lock)
    except OSError:
        return True


def _read_spec(task: TaskFolder) -> dict[str, Any]:
    try:
        return read_known(task.spec)[0] or {}
    except MalformedRecord:
        return {}


def _stamp(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0
