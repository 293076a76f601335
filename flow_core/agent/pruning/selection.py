"""Which ended tasks of a context may be pruned. Removes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from flow_core.agent.ids import check_task_id
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.locks import is_locked
from flow_core.agent.pruning.living import LivingProcesses
from flow_core.agent.pruning.task_files import inspect_folder, read_mount_points
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import TaskSpec
from flow_core.agent.state import FINAL, State

UNFINISHED, SUPERVISED, PROCESSES = "unfinished", "supervised", "processes"
BROKEN, GONE, MOUNTED, MADE_FILES, FAILED = "broken", "gone", "mounted", "made_files", "failed"
"""Why a task can't go. The detail of the last five is the fault of the record, nothing, a mount point, a path, and the
system's words; the others have none."""


class Rule(NamedTuple):
    """A task must meet each part that is given; tasks that are named must meet none. Without any part only those go.

    `ended_before` is in seconds since the epoch. `keep_last` is how many of those that ended last stay in any case.
    """

    ended_before: float | None = None
    keep_last: int | None = None
    named: frozenset[str] = frozenset()


class EndedTask(NamedTuple):
    """A task that is over, with what its folder holds. `ended_at` is in seconds since the epoch."""

    task_id: str
    name: str
    status: str
    ended_at: float
    size_bytes: int
    made_files: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: Any) -> EndedTask:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(
            check_task_id(fields.text("task_id")),
            fields.text("name"),
            _checked_end(fields.text("status")),
            fields.moment("ended_at"),
            fields.whole("size_bytes"),
            fields.texts("made_files"),
        )


class Refusal(NamedTuple):
    """A task that can't go, by the code of the reason."""

    task_id: str
    code: str
    detail: str = ""

    @classmethod
    def parse(cls, data: Any) -> Refusal:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(check_task_id(fields.text("task_id")), fields.text("code"), fields.text("detail"))


class Selection(NamedTuple):
    """What a rule means now, first ended first.

    `kept` meet the rule, but hold files that they made, and are not named.
    """

    tasks: tuple[EndedTask, ...]
    kept: tuple[EndedTask, ...]
    refused: tuple[Refusal, ...]


class Inspector:
    """Looks at tasks one by one; processes and mounts are as they were when this was made."""

    def __init__(self, progress: Callable[[], None] = lambda: None) -> None:
        self._progress = progress
        self._living = LivingProcesses()
        self._mount_points = read_mount_points()

    def look(self, task: TaskFolder) -> EndedTask | Refusal:
        """Raises OSError where the folder can't be read."""
        record = read_ended(task)
        if isinstance(record, Refusal):
            return record
        spec, state = record
        if _is_supervised(task, state):
            return Refusal(task.task_id, SUPERVISED)
        if self._living.has_any(spec, state):
            return Refusal(task.task_id, PROCESSES)
        content = inspect_folder(task, self._mount_points, self._progress)
        if content.mount:
            return Refusal(task.task_id, MOUNTED, content.mount)
        name = spec.name
        return EndedTask(task.task_id, name, state.status, _ended_at(spec, state), content.size_bytes, content.made)


def select(layout: Layout, rule: Rule, progress: Callable[[], None] = lambda: None) -> Selection:
    """May take as long as reading the folders of all tasks that meet the rule; `progress` is called between them."""
    return select_among(layout, _meeting(layout, rule, progress), rule.named, progress)


def select_among(
    layout: Layout, task_ids: Iterable[str], named: frozenset[str], progress: Callable[[], None] = lambda: None
) -> Selection:
    """The same for tasks that are known to meet a rule, and those that are named."""
    tasks: list[EndedTask] = []
    kept: list[EndedTask] = []
    refused: list[Refusal] = []
    wanted = [*task_ids, *sorted(named)]
    inspector = Inspector(progress) if wanted else None
    for task_id in dict.fromkeys(wanted):
        found = _look(inspector, layout, task_id) if inspector is not None else Refusal(task_id, GONE)
        if isinstance(found, Refusal):
            refused.append(found)
        elif found.made_files and task_id not in named:
            kept.append(found)
        else:
            tasks.append(found)
    by_end = sorted(tasks, key=lambda one: one.ended_at)
    return Selection(tuple(by_end), tuple(sorted(kept, key=lambda one: one.ended_at)), tuple(refused))


def is_folder_name(task_id: str) -> bool:
    """False for what would lead out of the folder of tasks, or to what is being made or removed there."""
    return bool(task_id) and os.sep not in task_id and not task_id.startswith(".")


def read_ended(task: TaskFolder) -> tuple[TaskSpec, State] | Refusal:
    """The records of a task that is over."""
    try:
        spec, state = TaskSpec.read(task.spec), State.read(task.state)
        if spec is None:
            return Refusal(task.task_id, GONE)
        if state is None or not state.is_final:
            return Refusal(task.task_id, UNFINISHED)
        _ended_at(spec, state)
    except (MalformedRecord, ValueError) as error:
        return Refusal(task.task_id, BROKEN, str(error))
    except OSError as error:
        return Refusal(task.task_id, BROKEN, error.strerror or type(error).__name__)
    return spec, state


def _look(inspector: Inspector, layout: Layout, task_id: str) -> EndedTask | Refusal:
    try:
        return inspector.look(layout.task(task_id)) if is_folder_name(task_id) else Refusal(task_id, GONE)
    except OSError as error:
        return Refusal(task_id, FAILED, error.strerror or type(error).__name__)


def _meeting(layout: Layout, rule: Rule, progress: Callable[[], None]) -> list[str]:
    """The ids of those that meet the rule itself. What has no readable end meets none."""
    if rule.ended_before is None and rule.keep_last is None:
        return []
    ends: list[tuple[float, str]] = []
    for task in _folders(layout):
        progress()
        record = read_ended(task)
        if not isinstance(record, Refusal):
            ends.append((_ended_at(*record), task.task_id))
    ends.sort(reverse=True)
    return [
        task_id
        for ended_at, task_id in ends[rule.keep_last or 0 :]
        if rule.ended_before is None or ended_at < rule.ended_before
    ]


def _folders(layout: Layout) -> Iterator[TaskFolder]:
    try:
        names = os.listdir(layout.tasks)
    except FileNotFoundError:
        return
    for name in names:
        if is_folder_name(name):
            yield layout.task(name)


def _ended_at(spec: TaskSpec, state: State) -> float:
    """Raises ValueError."""
    if state.completed_at is not None:
        return float(state.completed_at)
    return spec.created_at


def _checked_end(word: str) -> str:
    if word not in FINAL:
        raise ValueError("status is no end of a task")
    return word


def _is_supervised(task: TaskFolder, state: State) -> bool:
    """By its supervisor or whoever cleans up after it. The lock alone says little where locks can't be trusted."""
    if state.supervisor is not None and state.supervisor.is_alive:
        return True
    return is_locked(task.alive_lock)
