"""The tasks of one context, read from their folders; an unchanged file isn't read twice."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent import cancel
from flow_core.agent.ids import is_task_id
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.liveness import may_be_alive
from flow_core.agent.mount_records import find_volumes, read_mounts
from flow_core.agent.records import MalformedRecord, NewerRecord, UnreadableRecord
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import StoredSpec
from flow_core.agent.supervisor.lost_supervisor import get_process_tree, is_abandoned, reap
from flow_core.agent.supervisor_start import start_reaper
from flow_core.agent.task_report import MountedVolume, TaskReport
from flow_core.agent.task_state import TaskState

NO_TASK = "no_task"
BROKEN_NOT_CANCELLED = "broken_task_not_cancelled"

_RETRY_S = 10.0
_WAIT_S = 0.25
_UNREADABLE = (0, 0, 0)


class _CachedTask:
    """The records of a task, with the stamps of the files when they were read."""

    __slots__ = ("is_broken", "is_newer", "mounts", "problem", "spec", "stamp", "state", "stored")

    def __init__(self, mounts: list[dict[str, Any]], stamp: tuple[tuple[int, int, int] | None, ...]) -> None:
        self.spec: StoredSpec | None = None
        self.state: TaskState | None = None
        self.mounts = mounts
        self.stamp = stamp
        self.problem = ""
        self.is_newer = False
        self.is_broken = False
        self.stored: StoredTask | None = None


class StoredTask(NamedTuple):
    """One task: its sequence number, its report, and its records.

    `problem` is a sentence if the records can't be read completely. With `is_broken`, `state` and `spec` are None.
    """

    seq: int
    task_id: str
    report: TaskReport
    state: TaskState | None
    spec: StoredSpec | None
    problem: str = ""
    is_broken: bool = False


class TaskStore:
    """The tasks of one context. Blocking; may be used from several threads.

    An unchanged task is the same `StoredTask` object again. `progress` is called while many files are read.
    """

    def __init__(self, layout: Layout, progress: Callable[[], None] = lambda: None) -> None:
        self._layout = layout
        self._progress = progress
        self._cache: dict[str, _CachedTask] = {}
        self._reaped_at: dict[str, float] = {}
        self._lock = threading.RLock()
        self._reads = 0
        _all_tasks.add(self)

    def reset_after_fork(self) -> None:
        """Clears the cache and the lock, in a process that was just forked."""
        self._lock = threading.RLock()
        self._cache = {}

    def list_all(self) -> list[StoredTask]:
        """Returns every task, the last submitted first."""
        with self._hold_lock():
            names = frozenset(self._iter_task_ids())
            found = [stored for name in names if (stored := self._load(name)) is not None]
            for task_id in self._cache.keys() - names:  # removed by this or another program
                del self._cache[task_id]
        return sorted(found, key=lambda stored: stored.seq, reverse=True)

    def find(self, task_id: str) -> StoredTask | None:
        """Returns a task; None if there is no such task."""
        with self._hold_lock():
            return self._load(task_id) if is_task_id(task_id) else None

    def get(self, task_id: str) -> StoredTask:
        """Returns a task. Refuses with NO_TASK."""
        stored = self.find(task_id)
        if stored is None:
            raise self._no_task_error(task_id)
        return stored

    def cancel(self, task_id: str, *, force: bool) -> None:
        """Orders the supervisor to cancel the task. With `force` this may take about 5 s.

        Calling it again is safe, also after the task has ended. Refuses with NO_TASK, BROKEN_NOT_CANCELLED. Raises
        OSError if the order can't be delivered.
        """
        stored, folder = self.get(task_id), self.get_folder(task_id)
        if stored.is_broken:
            raise Refused(BROKEN_NOT_CANCELLED, task_id=task_id, problem=stored.problem, folder=str(folder.path))
        if stored.report.is_over:
            return
        cancel.write_cancel_order(folder, force=force)
        if force and cancel.end_stuck_supervisor(folder, self._progress):
            start_reaper(folder)

    def get_folder(self, task_id: str) -> TaskFolder:
        """Returns the folder of a task. Refuses with NO_TASK."""
        folder = self._layout.task(task_id)
        if not is_task_id(task_id) or not folder.path.is_dir():
            raise self._no_task_error(task_id)
        return folder

    def _no_task_error(self, task_id: str) -> Refused:
        return Refused(NO_TASK, task_id=task_id[:40], context=self._layout.context)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        """Holds the lock. While this waits, it reports progress as long as the holder makes progress."""
        reads = self._reads
        while not self._lock.acquire(timeout=_WAIT_S):
            if self._reads != reads:
                reads = self._reads
                self._progress()
        try:
            yield
        finally:
            self._lock.release()

    def _iter_task_ids(self) -> Iterator[str]:
        try:
            with os.scandir(self._layout.tasks) as entries:
                yield from (entry.name for entry in entries if is_task_id(entry.name))
        except FileNotFoundError:
            return

    def _load(self, task_id: str) -> StoredTask | None:
        self._reads += 1
        self._progress()
        folder = self._layout.task(task_id)
        cached = self._cache.get(task_id)
        stamp = (_stamp(folder.spec), _stamp(folder.state), _stamp(folder.mounts))
        if cached is None or cached.stamp != stamp:
            if stamp[0] is None:
                self._cache.pop(task_id, None)
                return None
            cached = self._cache[task_id] = self._read(folder, stamp)
        if cached.is_broken or cached.spec is None:
            return self._describe_broken(folder, cached)
        if not cached.is_newer and is_abandoned(cached.spec, cached.state):
            return self._handle_abandoned(folder, cached, cached.spec)
        if cached.stored is None:
            cached.stored = self._describe(folder, cached, cached.spec)
        return cached.stored

    def _read(self, folder: TaskFolder, stamp: tuple[tuple[int, int, int] | None, ...]) -> _CachedTask:
        mounts, mounts_problem = _read_mounts(folder)
        cached = _CachedTask(mounts, stamp)
        try:
            cached.spec, spec_problem = StoredSpec.read_known(folder.spec)
            if cached.spec is None:
                raise MalformedRecord("spec.json is missing")
            cached.state, state_problem = TaskState.read_known(folder.state)
        except ValueError as error:
            cached.is_broken, cached.is_newer = True, isinstance(error, NewerRecord)
            cached.problem = _describe_error(error)
            if isinstance(error, UnreadableRecord):
                cached.stamp = ()  # a later read may succeed
            return cached
        cached.problem = "; ".join(filter(None, (spec_problem, state_problem, mounts_problem)))
        cached.is_newer = bool(spec_problem or state_problem)
        return cached

    def _describe_broken(self, folder: TaskFolder, cached: _CachedTask) -> StoredTask:
        """Returns the known facts of a broken task. It counts as unfinished while a process of it may live."""
        if cached.stored is None or not cached.stored.report.is_over:
            status = _find_broken_status(folder, is_newer=cached.is_newer)
            report = TaskReport(
                folder.task_id, folder.task_id, status, message=cached.problem, volumes=_volumes(cached), is_broken=True
            )
            cached.stored = StoredTask(0, folder.task_id, report, None, None, cached.problem, is_broken=True)
        return cached.stored

    def _handle_abandoned(self, folder: TaskFolder, cached: _CachedTask, spec: StoredSpec) -> StoredTask | None:
        """Reaps a task whose supervisor has ended: here if no process is left, otherwise in a separate process.

        Returns None if the task no longer exists.
        """
        try:
            # Only an engine knows the processes in containers, and it may take a while to respond.
            if spec.container is not None or get_process_tree(spec, cached.state).list_members():
                self._start_reaper_once(folder)
            else:
                reap(folder)
            after = TaskState.read(folder.state)
        except (ValueError, OSError):
            after = None  # the disk is full or unavailable; the next read tries again
        if after is not None and after.is_final:
            return self._load(folder.task_id)
        return self._describe(
            folder, cached, spec, "its supervisor was killed; its remaining processes are being ended"
        )

    def _start_reaper_once(self, folder: TaskFolder) -> None:
        now = time.monotonic()
        if now - self._reaped_at.get(folder.task_id, -_RETRY_S) >= _RETRY_S:
            self._reaped_at[folder.task_id] = now
            start_reaper(folder)

    def _describe(
        self, folder: TaskFolder, cached: _CachedTask, spec: StoredSpec, message: str | None = None
    ) -> StoredTask:
        state = cached.state or TaskState()
        text = "; ".join(filter(None, (cached.problem, state.message if message is None else message)))
        report = TaskReport.of(folder, spec, state, _volumes(cached), text)
        return StoredTask(report.seq, folder.task_id, report, cached.state, spec, cached.problem)


def _read_mounts(folder: TaskFolder) -> tuple[list[dict[str, Any]], str]:
    """Returns the known mounts; a broken mount record doesn't make the task broken."""
    try:
        return read_mounts(folder)
    except MalformedRecord as error:
        return find_volumes(folder), _describe_error(error)


def _describe_error(error: ValueError) -> str:
    return str(error) if isinstance(error, NewerRecord) else f"its record is broken: {error}"


def _find_broken_status(folder: TaskFolder, *, is_newer: bool) -> str:
    """Returns the status of a task whose record is broken. May scan all processes.

    It is the status in the state file if that can be read, otherwise a status that depends on its processes. The task
    isn't final while a process of it may live, since it still uses its GPUs, volumes and ports; nor if only a newer
    version (`is_newer`) could read the record.
    """
    try:
        state, _ = TaskState.read_known(folder.state)
    except MalformedRecord:
        state = None
    if state is not None and state.is_final:
        return state.status
    if not is_newer and not may_be_alive(folder):
        return "failed"
    if state is not None:
        return state.status
    has_begun = os.path.exists(folder.get_spool().log)  # False also if the folder can't be read
    return "running" if has_begun else "pending"


def _volumes(cached: _CachedTask) -> tuple[MountedVolume, ...]:
    return tuple(MountedVolume(m["volume_id"], m["name"], m["target"]) for m in cached.mounts if m.get("volume_id"))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNREADABLE  # reading the file reports the reason
    return status.st_ino, status.st_mtime_ns, status.st_size


_all_tasks: weakref.WeakSet[TaskStore] = weakref.WeakSet()


def _after_fork() -> None:
    """Resets all stores in a forked child: a thread that doesn't exist there may have held the lock."""
    for tasks in _all_tasks:
        tasks.reset_after_fork()


os.register_at_fork(after_in_child=_after_fork)
