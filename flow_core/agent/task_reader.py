"""Reads the records of single tasks from their folders; an unchanged file isn't read twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.liveness import may_be_alive
from flow_core.agent.mount_records import find_volumes, read_mounts
from flow_core.agent.records import MalformedRecord, NewerRecord, UnreadableRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.supervisor.lost_supervisor import get_process_tree, is_abandoned, reap
from flow_core.agent.supervisor_start import start_reaper
from flow_core.agent.task_report import MountedVolume, TaskReport
from flow_core.agent.task_state import TaskState

_RETRY_S = 10.0
_UNREADABLE = (0, 0, 0)
_FILES = ("spec.json", "state.json", "mounts.json")

if TYPE_CHECKING:
    _FileStamps = tuple[tuple[int, int, int] | None, ...]
    Stamps = tuple[tuple[int, int] | None, ...]


class _CachedTask:
    """The records of a task, with the stamps of the files when they were read."""

    __slots__ = ("is_broken", "is_newer", "mounts", "problem", "spec", "stamps", "state", "stored")

    def __init__(self, mounts: list[dict[str, Any]], stamps: _FileStamps) -> None:
        self.spec: StoredSpec | None = None
        self.state: TaskState | None = None
        self.mounts = mounts
        self.stamps = stamps
        self.problem = ""
        self.is_newer = False
        self.is_broken = False
        self.stored: StoredTask | None = None


class StoredTask(NamedTuple):
    """One task: its sequence number, its report, and its records.

    `problem` is a sentence if the records can't be read completely. With `is_broken`, `state` and `spec` are None; so
    they are in a list for a task that has ended.
    """

    seq: int
    task_id: str
    report: TaskReport
    state: TaskState | None
    spec: StoredSpec | None
    problem: str = ""
    is_broken: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing of the task changes any more, as this version reads all of its records."""
        return self.state is not None and self.state.is_final and not self.problem


class TaskReader:
    """The records of the tasks of one context. Blocking; one thread may use it at a time.

    An unchanged task is the same `StoredTask` object again, until `drop`. `progress` is called for each task.
    """

    def __init__(self, layout: Layout, progress: Callable[[], None]) -> None:
        self._layout = layout
        self._folder = str(layout.tasks)
        self._progress = progress
        self._cache: dict[str, _CachedTask] = {}
        self._reaped_at: dict[str, float] = {}
        self.reads = 0

    def load(self, task_id: str) -> StoredTask | None:
        """Returns a task; None if there is none. Reaps it if its supervisor was killed."""
        self.reads += 1
        self._progress()
        folder = self._layout.task(task_id)
        cached = self._cache.get(task_id)
        stamps = self._find_stamps(task_id)
        if cached is None or cached.stamps != stamps:
            if stamps[0] is None:
                self.drop(task_id)
                return None
            cached = self._cache[task_id] = self._read(folder, stamps)
        if cached.is_broken or cached.spec is None:
            return self._describe_broken(folder, cached)
        if not cached.is_newer and is_abandoned(cached.spec, cached.state):
            return self._handle_abandoned(folder, cached, cached.spec)
        if cached.stored is None:
            cached.stored = self._describe(folder, cached, cached.spec)
        return cached.stored

    def drop(self, task_id: str) -> None:
        """Forgets what was read of a task."""
        self._cache.pop(task_id, None)
        self._reaped_at.pop(task_id, None)

    def get_stamps(self, task_id: str) -> Stamps:
        """Returns the times (ns) and sizes of the files that `load` has read last; None for a missing file."""
        return _without_inodes(self._cache[task_id].stamps)

    def find_stamps(self, task_id: str) -> Stamps:
        """Returns the present times (ns) and sizes of the task's files."""
        return _without_inodes(self._find_stamps(task_id))

    def _find_stamps(self, task_id: str) -> _FileStamps:
        folder = f"{self._folder}/{task_id}/"  # as text: a Path takes longer to build than a stat
        return tuple(_stamp(folder + name) for name in _FILES)

    def _read(self, folder: TaskFolder, stamps: _FileStamps) -> _CachedTask:
        mounts, mounts_problem = _read_mounts(folder)
        cached = _CachedTask(mounts, stamps)
        try:
            cached.spec, spec_problem = StoredSpec.read_known(folder.spec)
            if cached.spec is None:
                raise MalformedRecord("spec.json is missing")
            cached.state, state_problem = TaskState.read_known(folder.state)
        except ValueError as error:
            cached.is_broken, cached.is_newer = True, isinstance(error, NewerRecord)
            cached.problem = _describe_error(error)
            if isinstance(error, UnreadableRecord):
                cached.stamps = ()  # a later read may succeed
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
            return self.load(folder.task_id)
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


def _without_inodes(stamps: _FileStamps) -> Stamps:
    """Returns the stamps without the inodes, which some network file systems choose anew for each mount."""
    return tuple(None if stamp is None else stamp[1:] for stamp in stamps)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNREADABLE  # reading the file reports the reason
    return status.st_ino, status.st_mtime_ns, status.st_size
