"""Selects the ended tasks of a context that may be pruned. Removes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from flow_core.agent.ids import check_task_id
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.locks import is_locked
from flow_core.agent.processes.table import list_processes, read_task_mark
from flow_core.agent.pruning.task_files import inspect_folder, read_mount_points
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import FINAL, TaskState

UNFINISHED, SUPERVISED, PROCESSES = "unfinished", "supervised", "processes"
BROKEN, GONE, MOUNTED, MADE_FILES, FAILED = "broken", "gone", "mounted", "made_files", "failed"
"""Reasons why a task can't be removed.

The details of the five in this line are: the error of the record, nothing, a mount point, a path, and the system's
error message. The others have no details.
"""


class PruningRule(NamedTuple):
    """The tasks to prune: those that meet every condition that is set, and the named ones.

    `ended_before` is in seconds since the epoch. `keep_last` is the number of the last ended tasks that stay in any
    case. Without any condition only the named tasks are selected.
    """

    ended_before: float | None = None
    keep_last: int | None = None
    named: frozenset[str] = frozenset()


class EndedTask(NamedTuple):
    """A task that is over, with the content of its folder. `ended_at` is in seconds since the epoch."""

    task_id: str
    name: str
    status: str
    ended_at: float
    size_bytes: int
    made_files: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Any) -> EndedTask:
        """Parses a task that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(
            check_task_id(fields.text("task_id")),
            fields.text("name"),
            _check_end(fields.text("status")),
            fields.moment("ended_at"),
            fields.whole("size_bytes"),
            fields.texts("made_files"),
        )


class PruningRefusal(NamedTuple):
    """A task that can't be removed, with the code of the reason."""

    task_id: str
    code: str
    detail: str = ""

    @classmethod
    def parse(cls, data: Any) -> PruningRefusal:
        """Parses a refusal that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(check_task_id(fields.text("task_id")), fields.text("code"), fields.text("detail"))


class PruningSelection(NamedTuple):
    """The tasks that a rule selects now, the first ended first.

    `kept` are tasks that meet the rule, but contain files that they created, and are not named.
    """

    tasks: tuple[EndedTask, ...]
    kept: tuple[EndedTask, ...]
    refused: tuple[PruningRefusal, ...]


class TaskInspector:
    """An inspector of single tasks, with the processes and mounts at the time of its creation."""

    def __init__(self, progress: Callable[[], None] = lambda: None) -> None:
        self._progress = progress
        self._living = LivingProcesses()
        self._mount_points = read_mount_points()

    def inspect(self, task: TaskFolder) -> EndedTask | PruningRefusal:
        """Returns the ended task, or the refusal to remove it. Raises OSError if the folder can't be read."""
        record = read_ended(task)
        if isinstance(record, PruningRefusal):
            return record
        spec, state = record
        if _is_supervised(task, state):
            return PruningRefusal(task.task_id, SUPERVISED)
        if self._living.has_any(spec, state):
            return PruningRefusal(task.task_id, PROCESSES)
        content = inspect_folder(task, self._mount_points, self._progress)
        if content.mount:
            return PruningRefusal(task.task_id, MOUNTED, content.mount)
        name = spec.name
        return EndedTask(task.task_id, name, state.status, _get_end(spec, state), content.size_bytes, content.made)


class LivingProcesses:
    """All processes at the time of creation.

    A process belongs to a task by the mark in its environment, otherwise by its session. In doubt it belongs to the
    task.
    """

    def __init__(self) -> None:
        self._table = {pid: one for pid, one in list_processes().items() if not one.is_zombie}
        marks = {pid: read_task_mark(pid) for pid in self._table}
        self._marks = frozenset(marks.values())
        self._sessions = frozenset(one.session for pid, one in self._table.items() if marks[pid] is None)

    def has_any(self, spec: StoredSpec, state: TaskState) -> bool:
        """Returns whether one of the processes belongs to this task."""
        return spec.mark in self._marks or any(
            child.is_of_this_boot and child.pid in self._sessions and not self._is_reused(child.pid, child.start)
            for child in state.children
        )

    def _is_reused(self, pid: int, start: str) -> bool:
        """Returns whether the pid now belongs to another process."""
        leader = self._table.get(pid)
        return leader is not None and leader.start != start


def select(layout: Layout, rule: PruningRule, progress: Callable[[], None] = lambda: None) -> PruningSelection:
    """Selects tasks by a rule. Reads the folders of all tasks that meet it; `progress` is called between them."""
    return select_among(layout, _find_matching(layout, rule, progress), rule.named, progress)


def select_among(
    layout: Layout, task_ids: Iterable[str], named: frozenset[str], progress: Callable[[], None] = lambda: None
) -> PruningSelection:
    """Selects from tasks that are known to meet a rule, and from the named ones."""
    tasks: list[EndedTask] = []
    kept: list[EndedTask] = []
    refused: list[PruningRefusal] = []
    selected_ids = [*task_ids, *sorted(named)]
    inspector = TaskInspector(progress) if selected_ids else None
    for task_id in dict.fromkeys(selected_ids):
        found = _inspect(inspector, layout, task_id) if inspector is not None else PruningRefusal(task_id, GONE)
        if isinstance(found, PruningRefusal):
            refused.append(found)
        elif found.made_files and task_id not in named:
            kept.append(found)
        else:
            tasks.append(found)
    sorted_tasks = sorted(tasks, key=lambda one: one.ended_at)
    return PruningSelection(tuple(sorted_tasks), tuple(sorted(kept, key=lambda one: one.ended_at)), tuple(refused))


def is_folder_name(task_id: str) -> bool:
    """Returns whether the name is that of a task folder, and not a path, a staging folder or a trash folder."""
    return bool(task_id) and os.sep not in task_id and not task_id.startswith(".")


def read_ended(task: TaskFolder) -> tuple[StoredSpec, TaskState] | PruningRefusal:
    """Returns the records of a task that is over; otherwise the refusal to prune it."""
    try:
        spec, state = StoredSpec.read(task.spec), TaskState.read(task.state)
        if spec is None:
            return PruningRefusal(task.task_id, GONE)
        if state is None or not state.is_final:
            return PruningRefusal(task.task_id, UNFINISHED)
        _get_end(spec, state)
    except (MalformedRecord, ValueError) as error:
        return PruningRefusal(task.task_id, BROKEN, str(error))
    except OSError as error:
        return PruningRefusal(task.task_id, BROKEN, error.strerror or type(error).__name__)
    return spec, state


def _inspect(inspector: TaskInspector, layout: Layout, task_id: str) -> EndedTask | PruningRefusal:
    try:
        return inspector.inspect(layout.task(task_id)) if is_folder_name(task_id) else PruningRefusal(task_id, GONE)
    except OSError as error:
        return PruningRefusal(task_id, FAILED, error.strerror or type(error).__name__)


def _find_matching(layout: Layout, rule: PruningRule, progress: Callable[[], None]) -> list[str]:
    """Returns the ids of the tasks that meet the conditions. A task without a readable end meets none."""
    if rule.ended_before is None and rule.keep_last is None:
        return []
    ends: list[tuple[float, str]] = []
    for task in _list_folders(layout):
        progress()
        record = read_ended(task)
        if not isinstance(record, PruningRefusal):
            ends.append((_get_end(*record), task.task_id))
    ends.sort(reverse=True)
    return [
        task_id
        for ended_at, task_id in ends[rule.keep_last or 0 :]
        if rule.ended_before is None or ended_at < rule.ended_before
    ]


def _list_folders(layout: Layout) -> Iterator[TaskFolder]:
    try:
        names = os.listdir(layout.tasks)
    except FileNotFoundError:
        return
    for name in names:
        if is_folder_name(name):
            yield layout.task(name)


def _get_end(spec: StoredSpec, state: TaskState) -> float:
    """Returns the time at which the task ended, otherwise the time of its creation. Raises ValueError."""
    if state.completed_at is not None:
        return float(state.completed_at)
    return spec.created_at


def _check_end(status: str) -> str:
    if status not in FINAL:
        raise ValueError("status is not final")
    return status


def _is_supervised(task: TaskFolder, state: TaskState) -> bool:
    """Returns whether its supervisor or a reaper is active. The lock alone proves little if locks are unreliable."""
    if state.supervisor is not None and state.supervisor.is_alive:
        return True
    return is_locked(task.alive_lock)
