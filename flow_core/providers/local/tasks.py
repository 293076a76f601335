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
from flow_core.agent.records import MalformedRecord, read_json
from flow_core.agent.state import State
from flow_core.agent.supervisor.processes import Identity
from flow_core.agent.supervisor.settle import is_abandoned, settle, tree_of
from flow_core.errors import NotFound
from flow_core.identifiers import is_task_id
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
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


@dataclass(frozen=True, slots=True)
class Standing:
    """One task: its record, its place in the order, and what its files say."""

    seq: int
    record: TaskRecord
    state: State | None
    spec: dict[str, Any]


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
            found = [standing for name in self._names() if (standing := self._look(name)) is not None]
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
            try:
                seen = self._read(folder, stamp)
            except (OSError, ValueError) as error:
                why = (error.strerror or "") if isinstance(error, OSError) else str(error)
                return self._unreadable(folder, why)
            self._seen[task_id] = seen
        if is_abandoned(seen.spec, seen.state):
            return self._abandoned(folder, seen)
        if seen.record is None:
            seen.record = self._record(folder, seen)
        return Standing(int(seen.spec["seq"]), seen.record, seen.state, seen.spec)

    def _read(self, folder: TaskFolder, stamp: tuple[tuple[int, int, int] | None, ...]) -> _Seen:
        """Raises OSError, ValueError."""
        spec = read_json(folder.spec) or {}
        try:
            _check(spec)
        except ValueError as error:
            raise MalformedRecord(f"spec.json does not hold a task: {error}") from error
        seen = _Seen(spec, State.read(folder.state), _mounts(folder), stamp)
        seen.record = self._record(folder, seen)
        return seen

    def _abandoned(self, folder: TaskFolder, seen: _Seen) -> Standing | None:
        """Nobody keeps the record any more: settled here when nothing is left, else by a process that ends it."""
        try:
            # What runs in containers is asked of an engine, which may take a while.
            if seen.spec.get("container") or tree_of(seen.spec, seen.state).members():
                self._undertake(folder)
            else:
                settle(folder)
            after = State.read(folder.state)
        except (MalformedRecord, OSError):
            after = None  # the disk is full or away; the next look tries again
        if after is not None and after.is_final:
            return self._look(folder.task_id)
        message = "its supervisor was killed; what is left of it is being ended"
        record = self._record(folder, seen, message)
        return Standing(int(seen.spec["seq"]), record, seen.state, seen.spec)

    def _undertake(self, folder: TaskFolder) -> None:
        now = time.monotonic()
        if now - self._undertaken.get(folder.task_id, -_RETRY_S) >= _RETRY_S:
            self._undertaken[folder.task_id] = now
            start_undertaker(folder)

    def _record(self, folder: TaskFolder, seen: _Seen, message: str | None = None) -> TaskRecord:
        spec, state = seen.spec, seen.state or State()
        mounts = (VolumeMount(m["volume_id"], m["name"], m["target"]) for m in seen.mounts if m.get("volume_id"))
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
            message=state.message if message is None else message,
            owner=str(spec.get("owner", "")),
            attempt=state.attempt,
            volumes=tuple(mounts),
            endpoints=_endpoints(spec) if state.status == "running" else {},
            config=spec.get("config", {}),
            provider_metadata=_metadata(folder, spec, state),
        )

    def _unreadable(self, folder: TaskFolder, why: str) -> Standing:
        record = TaskRecord(
            self._layout.context,
            folder.task_id,
            folder.task_id,
            TaskStatus.FAILED,
            message=f"its record is broken: {why}",
        )
        return Standing(0, record, None, {})


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
    if spec.get("container") is not None:
        Fields(Fields(fields.table("container")).table("engine")).text("name")
    Identity.parse(spec.get("submitter"))


def _mounts(folder: TaskFolder) -> list[dict[str, Any]]:
    """Raises MalformedRecord."""
    mounts = (read_json(folder.mounts) or {}).get("mounts", [])
    try:
        for mount in mounts if isinstance(mounts, list) else [mounts]:
            fields = Fields(mount)
            fields.text("target")
            if fields.optional_text("volume_id"):
                fields.text("name")
    except ValueError as error:
        raise MalformedRecord(f"mounts.json does not hold mounts: {error}") from error
    return list(mounts)


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
