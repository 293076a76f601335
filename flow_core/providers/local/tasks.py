"""The tasks of one context as they are now, read from their folders; nothing unchanged is read twice."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flow_core.agent.layout import Layout, TaskFolder, container_name
from flow_core.agent.record_fields import Fields, date_of
from flow_core.agent.records import MalformedRecord, NewerRecord, UnreadableRecord, read_known
from flow_core.agent.state import State
from flow_core.agent.supervisor.processes import Identity
from flow_core.agent.supervisor.settle import is_abandoned, settle, tree_of
from flow_core.errors import NotFound
from flow_core.identifiers import is_task_id
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.local.broken_tasks import status_of_broken
from flow_core.providers.local.mount_records import find_volumes, read_mounts
from flow_core.providers.local.spawn import start_undertaker
from flow_core.providers.offload import report_progress

_RETRY_S = 10.0
_RANKS_MAX = 128
_WAIT_S = 0.25
_UNKNOWN = (0, 0, 0)


@dataclass(slots=True)
class _Seen:
    """What was read of a task, and the stamps of the files at that time."""

    spec: dict[str, Any]
    state: State | None
    mounts: list[dict[str, Any]]
    stamp: tuple[tuple[int, int, int] | None, ...]
    record: TaskRecord | None = None
    problem: str = ""
    is_newer: bool = False
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """One task: its record, its place in the order, and what its files say.

    `problem` is a sentence where they can't all be understood. With `is_broken` neither `state` nor `spec` is of use.
    """

    seq: int
    record: TaskRecord
    state: State | None
    spec: dict[str, Any]
    problem: str = ""
    is_broken: bool = False


class TaskShelf:
    """Blocking; may be used from several threads."""

    def __init__(self, layout: Layout, region: str) -> None:
        self._layout = layout
        self._region = region
        self._seen: dict[str, _Seen] = {}
        self._undertaken: dict[str, float] = {}
        self._lock = threading.RLock()
        self._looks = 0
        _shelves.add(self)

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

    def get(self, task_id: str) -> Standing:
        """Raises NotFound."""
        with self._held():
            standing = self._look(task_id) if is_task_id(task_id) else None
        if standing is None:
            raise NotFound(f"no task {task_id[:40]!r} in context {self._layout.context!r}")
        return standing

    def folder(self, task_id: str) -> TaskFolder:
        """Raises NotFound."""
        folder = self._layout.task(task_id)
        if not is_task_id(task_id) or not folder.path.is_dir():
            raise NotFound(f"no task {task_id[:40]!r} in context {self._layout.context!r}")
        return folder

    def holders(self, volume_id: str) -> tuple[str, ...]:
        """The ids of unfinished tasks that hold this volume."""
        return tuple(
            one.record.task_id
            for one in self.all()
            if not one.record.is_terminal and any(mount.volume_id == volume_id for mount in one.record.volumes)
        )

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Holds the lock. Whoever waits for it gets on as long as its holder does."""
        seen = self._looks
        while not self._lock.acquire(timeout=_WAIT_S):
            if self._looks != seen:
                seen = self._looks
                report_progress()
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
        report_progress()
        folder = self._layout.task(task_id)
        seen = self._seen.get(task_id)
        stamp = (_stamp(folder.spec), _stamp(folder.state), _stamp(folder.mounts))
        if seen is None or seen.stamp != stamp:
            if stamp[0] is None:
                self._seen.pop(task_id, None)
                return None
            seen = self._seen[task_id] = self._read(folder, stamp)
        if seen.is_broken:
            return self._broken(folder, seen)
        if not seen.is_newer and is_abandoned(seen.spec, seen.state):
            return self._abandoned(folder, seen)
        if seen.record is None:
            seen.record = self._record(folder, seen)
        return Standing(int(seen.spec["seq"]), seen.record, seen.state, seen.spec, seen.problem)

    def _read(self, folder: TaskFolder, stamp: tuple[tuple[int, int, int] | None, ...]) -> _Seen:
        mounts, of_mounts = _mounts(folder)
        try:
            spec, of_spec = _spec(folder)
            state, of_state = State.read_known(folder.state)
        except ValueError as error:
            is_newer = isinstance(error, NewerRecord)
            again = (
                () if isinstance(error, UnreadableRecord) else stamp
            )  # what the system refuses now it may give later
            return _Seen({}, None, mounts, again, problem=_named(error), is_newer=is_newer, is_broken=True)
        problem = "; ".join(filter(None, (of_spec, of_state, of_mounts)))
        seen = _Seen(spec, state, mounts, stamp, problem=problem, is_newer=bool(of_spec or of_state))
        seen.record = self._record(folder, seen)
        return seen

    def _broken(self, folder: TaskFolder, seen: _Seen) -> Standing:
        """What is known all the same; it counts as unfinished for as long as anything of it may live."""
        if seen.record is None or not seen.record.is_terminal:
            status = status_of_broken(folder, is_newer=seen.is_newer)
            seen.record = TaskRecord(
                self._layout.context,
                folder.task_id,
                folder.task_id,
                status,
                message=seen.problem,
                volumes=_volumes(seen),
            )
        return Standing(0, seen.record, None, {}, seen.problem, is_broken=True)

    def _abandoned(self, folder: TaskFolder, seen: _Seen) -> Standing | None:
        """Nobody keeps the record any more: settled here when nothing is left, else by a process that ends it."""
        try:
            # What runs in containers is asked of an engine, which may take a while.
            if seen.spec.get("container") or tree_of(seen.spec, seen.state).members():
                self._undertake(folder)
            else:
                settle(folder)
            after = State.read(folder.state)
        except (ValueError, OSError):
            after = None  # the disk is full or away; the next look tries again
        if after is not None and after.is_final:
            return self._look(folder.task_id)
        message = "its supervisor was killed; what is left of it is being ended"
        record = self._record(folder, seen, message)
        return Standing(int(seen.spec["seq"]), record, seen.state, seen.spec, seen.problem)

    def _undertake(self, folder: TaskFolder) -> None:
        now = time.monotonic()
        if now - self._undertaken.get(folder.task_id, -_RETRY_S) >= _RETRY_S:
            self._undertaken[folder.task_id] = now
            start_undertaker(folder)

    def _record(self, folder: TaskFolder, seen: _Seen, message: str | None = None) -> TaskRecord:
        spec, state = seen.spec, seen.state or State()
        gpus = spec["gpus"]
        return TaskRecord(
            context=self._layout.context,
            task_id=folder.task_id,
            name=spec["name"],
            status=TaskStatus(state.status),
            command=spec["command_line"],
            created_at=_moment(spec["created_at"]),
            started_at=_moment(state.started_at),
            completed_at=_moment(state.completed_at),
            num_instances=int(spec.get("ranks", 1)),
            instance_type=str(gpus.get("wanted", "cpu")),
            gpu_type=gpus.get("type"),
            gpu_count=int(gpus.get("count", 0)),
            region=self._region,
            exit_code=state.exit_code,
            message="; ".join(filter(None, (seen.problem, state.message if message is None else message))),
            owner=str(spec.get("owner", "")),
            attempt=state.attempt,
            volumes=_volumes(seen),
            endpoints=_endpoints(spec) if state.status == "running" else {},
            config=spec.get("config", {}),
            provider_metadata=_metadata(folder, spec, state),
        )


def _spec(folder: TaskFolder) -> tuple[dict[str, Any], str]:
    """The spec, and a sentence where a newer version may know more of it. Raises MalformedRecord."""
    spec, problem = read_known(folder.spec)
    try:
        _check(spec or {})
    except ValueError as error:
        why = f"spec.json does not hold a task: {error}"
        raise NewerRecord(problem, spec or {}) if problem else MalformedRecord(why) from error
    return spec or {}, problem


def _mounts(folder: TaskFolder) -> tuple[list[dict[str, Any]], str]:
    """As far as they are known; a broken record of them says nothing against the task."""
    try:
        return read_mounts(folder)
    except MalformedRecord as error:
        return find_volumes(folder), _named(error)


def _named(error: ValueError) -> str:
    return str(error) if isinstance(error, NewerRecord) else f"its record is broken: {error}"


def _volumes(seen: _Seen) -> tuple[VolumeMount, ...]:
    return tuple(VolumeMount(m["volume_id"], m["name"], m["target"]) for m in seen.mounts if m.get("volume_id"))


def _check(spec: dict[str, Any]) -> None:
    """Everything that is read of it later. Raises ValueError."""
    fields, gpus = Fields(spec), Fields(Fields(spec).table("gpus"))
    for name in ("name", "command_line", "mark", "working_dir"):
        fields.text(name)
    fields.text("owner", "")
    fields.whole("seq")
    fields.moment("created_at")
    fields.whole("ranks", 1, least=1, most=_RANKS_MAX)
    fields.wholes("ports", least=1, most=65535)
    fields.table("config")
    env = Fields(fields.table("env"))
    for name in fields.table("env"):
        env.text(name)
    gpus.text("wanted", "cpu")
    gpus.whole("count", 0, most=1 << 16)
    gpus.optional_text("type")
    gpus.optional_text("reservation")
    for name in gpus.table("visible"):
        Fields(gpus.table("visible")).text(name)
    if spec.get("container") is not None:
        Fields(Fields(fields.table("container")).table("engine")).text("name")
    Identity.parse(spec.get("submitter"))


def _metadata(folder: TaskFolder, spec: dict[str, Any], state: State) -> dict[str, Any]:
    return {
        "folder": str(folder.path),
        "working_dir": spec["working_dir"],
        "pid": None if state.child is None else state.child.pid,
        **({"pids": tuple(child.pid for child in state.children)} if len(state.children) > 1 else {}),
        "gpus": tuple(state.gpus),
        "reservation": spec["gpus"].get("reservation"),
        **_containers(folder, spec, state),
    }


def _containers(folder: TaskFolder, spec: dict[str, Any], state: State) -> dict[str, Any]:
    """For a task with an image: which engine runs it, and under which names while it runs."""
    if not spec.get("container"):
        return {}
    names = tuple(container_name(folder.task_id, state.attempt, rank) for rank in range(len(state.children)))
    return {"engine": spec["container"]["engine"]["name"], "containers": names}


def _endpoints(spec: dict[str, Any]) -> dict[str, str]:
    """Where the task is reached, by port."""
    return {str(port): f"http://127.0.0.1:{port}" for port in spec.get("ports", ())}


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else date_of(seconds)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return _UNKNOWN  # reading it says why
    return found.st_ino, found.st_mtime_ns, found.st_size


_shelves: weakref.WeakSet[TaskShelf] = weakref.WeakSet()


def _after_fork() -> None:
    """A thread that doesn't exist in the child may have held the lock, half way through a look."""
    for shelf in _shelves:
        shelf.renew()


os.register_at_fork(after_in_child=_after_fork)
