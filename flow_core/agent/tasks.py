"""The tasks of one context as they are now, read from their folders; nothing unchanged is read twice.

Standard library only.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent import cancelling
from flow_core.agent.broken_tasks import status_of_broken
from flow_core.agent.ids import is_task_id
from flow_core.agent.layout import Layout, TaskFolder
from flow_core.agent.mount_records import find_volumes, read_mounts
from flow_core.agent.records import MalformedRecord, NewerRecord, UnreadableRecord
from flow_core.agent.refusals import Refused
from flow_core.agent.spawning import start_undertaker
from flow_core.agent.spec import TaskSpec
from flow_core.agent.state import State
from flow_core.agent.supervisor.settle import is_abandoned, settle, tree_of
from flow_core.agent.task_report import MountedVolume, TaskReport

NO_TASK = "no_task"
BROKEN_NOT_CANCELLED = "broken_task_not_cancelled"

_RETRY_S = 10.0
_WAIT_S = 0.25
_UNKNOWN = (0, 0, 0)


class _Seen:
    """What was read of a task, and the stamps of the files at that time."""

    __slots__ = ("is_broken", "is_newer", "mounts", "problem", "spec", "stamp", "standing", "state")

    def __init__(self, mounts: list[dict[str, Any]], stamp: tuple[tuple[int, int, int] | None, ...]) -> None:
        self.spec: TaskSpec | None = None
        self.state: State | None = None
        self.mounts = mounts
        self.stamp = stamp
        self.problem = ""
        self.is_newer = False
        self.is_broken = False
        self.standing: Standing | None = None


class Standing(NamedTuple):
    """One task: its place in the order, what is told of it, and what its files say.

    `problem` is a sentence where they can't all be understood. With `is_broken` there is neither `state` nor `spec`.
    """

    seq: int
    task_id: str
    report: TaskReport
    state: State | None
    spec: TaskSpec | None
    problem: str = ""
    is_broken: bool = False


class Tasks:
    """Blocking; may be used from several threads. What has not changed is the same `Standing` again.

    `progress` is called whenever work on many files has got on.
    """

    def __init__(self, layout: Layout, progress: Callable[[], None] = lambda: None) -> None:
        self._layout = layout
        self._progress = progress
        self._seen: dict[str, _Seen] = {}
        self._undertaken: dict[str, float] = {}
        self._lock = threading.RLock()
        self._looks = 0
        _all_tasks.add(self)

    def renew(self) -> None:
        """Forgets what was seen. For a process that has just been forked."""
        self._lock = threading.RLock()
        self._seen = {}

    def all(self) -> list[Standing]:
        """Every task, last submitted first."""
        with self._held():
            names = frozenset(self._names())
            found = [standing for name in names if (standing := self._look(name)) is not None]
            for gone in self._seen.keys() - names:  # pruned by whatever program
                del self._seen[gone]
        return sorted(found, key=lambda standing: standing.seq, reverse=True)

    def find(self, task_id: str) -> Standing | None:
        with self._held():
            return self._look(task_id) if is_task_id(task_id) else None

    def get(self, task_id: str) -> Standing:
        """Refuses with NO_TASK."""
        standing = self.find(task_id)
        if standing is None:
            raise self._no_task(task_id)
        return standing

    def cancel(self, task_id: str, *, force: bool) -> None:
        """Tells its supervisor; by force it may take seconds. Twice is safe, and so it is for a task that is over.

        Refuses with NO_TASK, BROKEN_NOT_CANCELLED. Raises OSError where nobody can be told.
        """
        standing, folder = self.get(task_id), self.folder(task_id)
        if standing.is_broken:
            raise Refused(BROKEN_NOT_CANCELLED, task_id=task_id, problem=standing.problem, folder=str(folder.path))
        if standing.report.is_over:
            return
        cancelling.order(folder, force=force)
        if force and cancelling.take_over(folder, self._progress):
            start_undertaker(folder)

    def folder(self, task_id: str) -> TaskFolder:
        """Refuses with NO_TASK."""
        folder = self._layout.task(task_id)
        if not is_task_id(task_id) or not folder.path.is_dir():
            raise self._no_task(task_id)
        return folder

    def _no_task(self, task_id: str) -> Refused:
        return Refused(NO_TASK, task_id=task_id[:40], context=self._layout.context)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the lock. Whoever waits for it gets on as long as its holder does."""
        seen = self._looks
        while not self._lock.acquire(timeout=_WAIT_S):
            if self._looks != seen:
                seen = self._looks
                self._progress()
        try:
            yield
        finally:
            self._lock.release()

    def _names(self) -> Iterator[str]:
        try:
            with os.scandir(self._layout.tasks) as entries:
                yield from (entry.name for entry in entries if is_task_id(entry.name))
        except FileNotFoundError:
            return

    def _look(self, task_id: str) -> Standing | None:
        self._looks += 1
        self._progress()
        folder = self._layout.task(task_id)
        seen = self._seen.get(task_id)
        stamp = (_stamp(folder.spec), _stamp(folder.state), _stamp(folder.mounts))
        if seen is None or seen.stamp != stamp:
            if stamp[0] is None:
                self._seen.pop(task_id, None)
                return None
            seen = self._seen[task_id] = self._read(folder, stamp)
        if seen.is_broken or seen.spec is None:
            return self._broken(folder, seen)
        if not seen.is_newer and is_abandoned(seen.spec, seen.state):
            return self._abandoned(folder, seen, seen.spec)
        if seen.standing is None:
            seen.standing = self._standing(folder, seen, seen.spec)
        return seen.standing

    def _read(self, folder: TaskFolder, stamp: tuple[tuple[int, int, int] | None, ...]) -> _Seen:
        mounts, of_mounts = _mounts(folder)
        seen = _Seen(mounts, stamp)
        try:
            seen.spec, of_spec = TaskSpec.read_known(folder.spec)
            if seen.spec is None:
                raise MalformedRecord("spec.json is missing")
            seen.state, of_state = State.read_known(folder.state)
        except ValueError as error:
            seen.is_broken, seen.is_newer = True, isinstance(error, NewerRecord)
            seen.problem = _named(error)
            if isinstance(error, UnreadableRecord):
                seen.stamp = ()  # what the system refuses now it may give later
            return seen
        seen.problem = "; ".join(filter(None, (of_spec, of_state, of_mounts)))
        seen.is_newer = bool(of_spec or of_state)
        return seen

    def _broken(self, folder: TaskFolder, seen: _Seen) -> Standing:
        """What is known all the same; it counts as unfinished for as long as anything of it may live."""
        if seen.standing is None or not seen.standing.report.is_over:
            status = status_of_broken(folder, is_newer=seen.is_newer)
            report = TaskReport(
                folder.task_id, folder.task_id, status, message=seen.problem, volumes=_volumes(seen), is_broken=True
            )
            seen.standing = Standing(0, folder.task_id, report, None, None, seen.problem, is_broken=True)
        return seen.standing

    def _abandoned(self, folder: TaskFolder, seen: _Seen, spec: TaskSpec) -> Standing | None:
        """Nobody keeps the record any more: settled here when nothing is left, else by a process that ends it."""
        try:
            # What runs in containers is asked of an engine, which may take a while.
            if spec.container is not None or tree_of(spec, seen.state).members():
                self._undertake(folder)
            else:
                settle(folder)
            after = State.read(folder.state)
        except (ValueError, OSError):
            after = None  # the disk is full or away; the next look tries again
        if after is not None and after.is_final:
            return self._look(folder.task_id)
        return self._standing(folder, seen, spec, "its supervisor was killed; what is left of it is being ended")

    def _undertake(self, folder: TaskFolder) -> None:
        now = time.monotonic()
        if now - self._undertaken.get(folder.task_id, -_RETRY_S) >= _RETRY_S:
            self._undertaken[folder.task_id] = now
            start_undertaker(folder)

    def _standing(self, folder: TaskFolder, seen: _Seen, spec: TaskSpec, message: str | None = None) -> Standing:
        state = seen.state or State()
        said = "; ".join(filter(None, (seen.problem, state.message if message is None else message)))
        report = TaskReport.of(folder, spec, state, _volumes(seen), said)
        return Standing(report.seq, folder.task_id, report, seen.state, spec, seen.problem)


def _mounts(folder: TaskFolder) -> tuple[list[dict[str, Any]], str]:
    """As far as they are known; a broken record of them says nothing against the task."""
    try:
        return read_mounts(folder)
    except MalformedRecord as error:
        return find_volumes(folder), _named(error)


def _named(error: ValueError) -> str:
    return str(error) if isinstance(error, NewerRecord) else f"its record is broken: {error}"


def _volumes(seen: _Seen) -> tuple[MountedVolume, ...]:
    return tuple(MountedVolume(m["volume_id"], m["name"], m["target"]) for m in seen.mounts if m.get("volume_id"))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNKNOWN  # reading it says why
    return found.st_ino, found.st_mtime_ns, found.st_size


_all_tasks: weakref.WeakSet[Tasks] = weakref.WeakSet()


def _after_fork() -> None:
    """A thread that doesn't exist in the child may have held the lock, half way through a look."""
    for tasks in _all_tasks:
        tasks.renew()


os.register_at_fork(after_in_child=_after_fork)
