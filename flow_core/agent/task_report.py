"""What a person or a model is told of one task. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from flow_core.agent.layout import TaskFolder, container_name
from flow_core.agent.record_fields import Fields
from flow_core.agent.state import ATTEMPTS_MAX, FINAL, STATUSES, State

RANKS_MAX = 128
GPUS_MAX = 1 << 16
_TASK_ID = re.compile(r"task_[a-z2-7]{10}")


class MountedVolume(NamedTuple):
    """A volume as one task sees it, at the path that the task was promised."""

    volume_id: str
    name: str
    target: str


class TaskReport(NamedTuple):
    """One task as it is now; all of it can be sent as JSON.

    Times are seconds since the epoch, None for not yet. `pids` are the main processes of the ranks that run or ran.
    Of a task whose records are broken (`is_broken`) nothing is known but its status, why, and its volumes.
    """

    task_id: str
    name: str
    status: str
    command: str = ""
    created_at: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    ranks: int = 1
    instance_type: str = ""
    gpu_type: str | None = None
    gpu_count: int = 0
    exit_code: int | None = None
    message: str = ""
    owner: str = ""
    attempt: int = 0
    between_attempts: bool = False
    volumes: tuple[MountedVolume, ...] = ()
    ports: tuple[int, ...] = ()
    config: dict[str, Any] = {}
    folder: str = ""
    working_dir: str = ""
    pids: tuple[int, ...] = ()
    gpus: tuple[str, ...] = ()
    reservation: str | None = None
    engine: str | None = None
    containers: tuple[str, ...] = ()
    is_broken: bool = False
    seq: int = 0

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    @property
    def is_running(self) -> bool:
        return self.status == "running"

    @property
    def has_begun(self) -> bool:
        return self.started_at is not None

    @classmethod
    def of(
        cls, task: TaskFolder, spec: dict[str, Any], state: State, volumes: Sequence[MountedVolume], message: str
    ) -> TaskReport:
        """`spec` is one that was checked."""
        gpus = spec["gpus"]
        engine = spec["container"]["engine"]["name"] if spec.get("container") else None
        return cls(
            task_id=task.task_id,
            name=spec["name"],
            status=state.status,
            command=spec["command_line"],
            created_at=spec["created_at"],
            started_at=state.started_at,
            completed_at=state.completed_at,
            ranks=int(spec.get("ranks", 1)),
            instance_type=str(gpus.get("wanted", "cpu")),
            gpu_type=gpus.get("type"),
            gpu_count=int(gpus.get("count", 0)),
            exit_code=state.exit_code,
            message=message,
            owner=str(spec.get("owner", "")),
            attempt=state.attempt,
            between_attempts=state.between_attempts,
            volumes=tuple(volumes),
            ports=tuple(spec.get("ports", ())),
            config=spec.get("config", {}),
            folder=str(task.path),
            working_dir=spec["working_dir"],
            pids=tuple(child.pid for child in state.children),
            gpus=tuple(state.gpus),
            reservation=gpus.get("reservation"),
            engine=engine,
            containers=() if engine is None else _containers(task.task_id, state),
            seq=int(spec["seq"]),
        )

    @classmethod
    def parse(cls, data: Any) -> TaskReport:
        """One that another machine sent. Raises ValueError."""
        fields = Fields(data)
        return cls(
            task_id=_checked_id(fields.text("task_id")),
            name=fields.text("name"),
            status=_checked_status(fields.text("status")),
            command=fields.text("command"),
            created_at=_moment(data, "created_at"),
            started_at=_moment(data, "started_at"),
            completed_at=_moment(data, "completed_at"),
            ranks=fields.whole("ranks", least=1, most=RANKS_MAX),
            instance_type=fields.text("instance_type"),
            gpu_type=fields.optional_text("gpu_type"),
            gpu_count=fields.whole("gpu_count", most=GPUS_MAX),
            exit_code=None if data.get("exit_code") is None else fields.whole("exit_code", least=-256, most=65535),
            message=fields.text("message"),
            owner=fields.text("owner"),
            attempt=fields.whole("attempt", most=ATTEMPTS_MAX),
            between_attempts=_flag(data, "between_attempts"),
            volumes=tuple(_volume(one) for one in _list(data, "volumes")),
            ports=fields.wholes("ports", least=1, most=65535),
            config=fields.table("config"),
            folder=fields.text("folder"),
            working_dir=fields.text("working_dir"),
            pids=fields.wholes("pids", least=1),
            gpus=fields.texts("gpus"),
            reservation=fields.optional_text("reservation"),
            engine=fields.optional_text("engine"),
            containers=fields.texts("containers"),
            is_broken=_flag(data, "is_broken"),
            seq=fields.whole("seq"),
        )


def is_task_id(text: str) -> bool:
    return _TASK_ID.fullmatch(text) is not None


def _containers(task_id: str, state: State) -> tuple[str, ...]:
    """Their names, of the ranks that have begun."""
    return tuple(container_name(task_id, state.attempt, rank) for rank in range(len(state.children)))


def _checked_id(text: str) -> str:
    if not is_task_id(text):
        raise ValueError("task_id must be the id of a task")
    return text


def _checked_status(word: str) -> str:
    if word not in STATUSES:
        raise ValueError("status is none that there is")
    return word


def _moment(data: dict[str, Any], name: str) -> float | None:
    return None if data.get(name) is None else Fields(data).moment(name)


def _flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")
    return value


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")
    return value


def _volume(value: Any) -> MountedVolume:
    texts = Fields({"volumes": value}).texts("volumes")
    if len(texts) != len(MountedVolume._fields):
        raise ValueError("volumes must hold an id, a name and a path each")
    return MountedVolume(*texts)
