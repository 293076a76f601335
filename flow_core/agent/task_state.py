"""The state of a task, written by its supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import NEWER, MalformedRecord, NewerRecord, read_json, write_json

FINAL = frozenset({"completed", "failed", "cancelled"})
STATUSES = FINAL | {"pending", "running"}
ATTEMPTS_MAX = 100


class TaskState:
    """The state of a task. Times are seconds since the epoch.

    All versions share the words of `status`; a finer state is a separate field. `unknown_fields` holds fields of
    other versions, which are written back. `held_by` is the client for which a part of a task on several machines holds
    its GPUs.
    """

    status: str = "pending"
    message: str = ""
    supervisor: ProcessIdentity | None = None
    children: list[ProcessIdentity]
    started_at: float | None = None
    completed_at: float | None = None
    exit_code: int | None = None
    attempt: int = 0
    between_attempts: bool = False
    gpus: list[str]
    master_port: int | None = None
    mounts_taken: bool = False
    namespaced: bool = False
    working_dir: str = ""
    held_by: str = ""

    def __init__(self) -> None:
        self.children = []
        self.gpus = []
        self.unknown_fields: dict[str, Any] = {}

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_over(self) -> bool:
        """Whether the status is final, also if this version doesn't know it."""
        return self.is_final or self.completed_at is not None

    @property
    def child(self) -> ProcessIdentity | None:
        """The main process of rank 0; None if it has not started."""
        return self.children[0] if self.children else None

    def write(self, path: Path) -> None:
        """Writes the state. Raises OSError."""
        data = {**self.unknown_fields, **{name: getattr(self, name) for name in _FIELDS}}
        data["supervisor"] = None if self.supervisor is None else self.supervisor._asdict()
        data["children"] = [child._asdict() for child in self.children]
        write_json(path, data)

    @classmethod
    def read(cls, path: Path) -> TaskState | None:
        """Returns the state; None if there is none. Raises MalformedRecord.

        Raises its subclass NewerRecord if a newer version wrote it, or its status is unknown.
        """
        data = read_json(path)
        if data is None:
            return None
        status = data.get("status", cls.status)
        if isinstance(status, str) and status not in STATUSES:
            raise NewerRecord(f"{path.name} holds the status {status[:20]!r}: it {NEWER}", data)
        return cls._parse(path, data)

    @classmethod
    def read_known(cls, path: Path) -> tuple[TaskState | None, str]:
        """Returns the fields that this version knows, and a sentence if there may be more; otherwise "".

        An unknown status becomes `running` if the task was started, otherwise `pending`: a version that doesn't know
        the status must not treat the task as ended. Raises MalformedRecord.
        """
        try:
            return cls.read(path), ""
        except NewerRecord as error:
            data = dict(error.data)
            status = data.get("status")
            if not isinstance(status, str) or status not in STATUSES:
                data["status"] = "pending" if data.get("started_at") is None else "running"
            return cls._parse(path, data), str(error)

    @classmethod
    def _parse(cls, path: Path, data: dict[str, Any]) -> TaskState:
        state = cls()
        for name, value in data.items():
            if name in _FIELDS:
                setattr(state, name, value)
            else:
                state.unknown_fields[name] = value
        try:
            state.supervisor = ProcessIdentity.parse(data.get("supervisor"))
            state.children = [one for child in state.children if (one := ProcessIdentity.parse(child)) is not None]
            _check_types(state)
        except (TypeError, ValueError) as error:
            raise MalformedRecord(f"{path.name} does not hold a task's state: {error}") from error
        return state


_FIELDS = tuple(TaskState.__annotations__)


def _check_types(state: TaskState) -> None:
    """Checks the type and range of each field. Raises ValueError."""
    fields = Fields({name: getattr(state, name) for name in _FIELDS})
    if state.status not in STATUSES:
        raise ValueError("status is unknown")
    for name in ("message", "working_dir", "held_by"):
        fields.text(name)
    fields.texts("gpus")
    fields.whole("attempt", maximum=ATTEMPTS_MAX)
    for name in ("started_at", "completed_at"):
        if getattr(state, name) is not None:
            fields.moment(name)
    for name in ("between_attempts", "mounts_taken", "namespaced"):
        if not isinstance(getattr(state, name), bool):
            raise ValueError(f"{name} must be true or false")
    for name in ("exit_code", "master_port"):
        if getattr(state, name) is not None:
            fields.whole(name, minimum=-256, maximum=65535)
