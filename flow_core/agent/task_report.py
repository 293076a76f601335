"""The report of one task, as clients receive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flow_core.agent.ids import check_task_id
from flow_core.agent.layout import TaskFolder, make_container_name
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import NEWER
from flow_core.agent.spec import GPUS_MAX, RANKS_MAX, StoredSpec
from flow_core.agent.task_state import ATTEMPTS_MAX, FINAL, STATUSES, TaskState


class MountedVolume(NamedTuple):
    """A volume as one task sees it, at its mount path."""

    volume_id: str
    name: str
    target: str


class TaskReport(NamedTuple):
    """The current state of one task; every field fits JSON.

    Times are seconds since the epoch, None for not yet. `pids` are the main processes of the ranks that run or have
    run. For a task with broken records (`is_broken`) only the status, the reason and the volumes are known.

    For a task on several machines this is one part, number `part` of `parts`; `is_ready` is true if it waits and could
    start now. `submitted_at` is the time of the submit by the client's own clock.
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
    part: int = 0
    parts: int = 1
    is_ready: bool = False
    submitted_at: float | None = None

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
        cls, task: TaskFolder, spec: StoredSpec, state: TaskState, volumes: Sequence[MountedVolume], message: str
    ) -> TaskReport:
        gpus, engine = spec.gpus, None if spec.container is None else spec.container.engine_name
        return cls(
            task_id=task.task_id,
            name=spec.name,
            status=state.status,
            command=spec.command_line,
            created_at=spec.created_at,
            started_at=state.started_at,
            completed_at=state.completed_at,
            ranks=spec.ranks,
            instance_type=gpus.instance_type,
            gpu_type=gpus.type,
            gpu_count=gpus.per_rank,
            exit_code=state.exit_code,
            message=message,
            owner=spec.owner,
            attempt=state.attempt,
            between_attempts=state.between_attempts,
            volumes=tuple(volumes),
            ports=spec.ports,
            config=spec.config,
            folder=str(task.path),
            working_dir=spec.working_dir,
            pids=tuple(child.pid for child in state.children),
            gpus=tuple(state.gpus),
            reservation=gpus.reservation,
            engine=engine,
            containers=() if engine is None else _container_names(task.task_id, state),
            seq=spec.seq,
            part=0 if spec.part is None else spec.part.rank,
            parts=1 if spec.part is None else spec.part.ranks,
            submitted_at=spec.submitted_at,
        )

    @classmethod
    def parse(cls, data: Any) -> TaskReport:
        """Parses a report that another machine sent. Raises ValueError.

        A report with a status that this version doesn't know is not over; its message names the status.
        """
        fields = Fields(data)
        status, message = fields.text("status"), fields.text("message")
        if status not in STATUSES:
            message = "; ".join(filter(None, (f"its status {status[:20]!r} {NEWER}", message)))
            status = "pending" if data.get("started_at") is None else "running"
        return cls(
            task_id=check_task_id(fields.text("task_id")),
            name=fields.text("name"),
            status=status,
            command=fields.text("command"),
            created_at=fields.optional_moment("created_at"),
            started_at=fields.optional_moment("started_at"),
            completed_at=fields.optional_moment("completed_at"),
            ranks=fields.whole("ranks", minimum=1, maximum=RANKS_MAX),
            instance_type=fields.text("instance_type"),
            gpu_type=fields.optional_text("gpu_type"),
            gpu_count=fields.whole("gpu_count", maximum=GPUS_MAX),
            exit_code=None if data.get("exit_code") is None else fields.whole("exit_code", minimum=-256, maximum=65535),
            message=message,
            owner=fields.text("owner"),
            attempt=fields.whole("attempt", maximum=ATTEMPTS_MAX),
            between_attempts=fields.flag("between_attempts"),
            volumes=tuple(_parse_volume(one) for one in _parse_list(data, "volumes")),
            ports=fields.wholes("ports", minimum=1, maximum=65535),
            config=fields.table("config"),
            folder=fields.text("folder"),
            working_dir=fields.text("working_dir"),
            pids=fields.wholes("pids", minimum=1),
            gpus=fields.texts("gpus"),
            reservation=fields.optional_text("reservation"),
            engine=fields.optional_text("engine"),
            containers=fields.texts("containers"),
            is_broken=fields.flag("is_broken"),
            seq=fields.whole("seq"),
            part=fields.whole("part", 0, maximum=fields.whole("parts", 1, minimum=1, maximum=RANKS_MAX) - 1),
            parts=fields.whole("parts", 1),
            is_ready=fields.flag("is_ready"),
            submitted_at=fields.optional_moment("submitted_at"),
        )


def _container_names(task_id: str, state: TaskState) -> tuple[str, ...]:
    """Returns the names of the containers of the ranks that have started."""
    return tuple(make_container_name(task_id, state.attempt, rank) for rank in range(len(state.children)))


def _parse_list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")
    return value


def _parse_volume(value: Any) -> MountedVolume:
    texts = Fields({"volumes": value}).texts("volumes")
    if len(texts) != len(MountedVolume._fields):
        raise ValueError("volumes must hold an id, a name and a path each")
    return MountedVolume(*texts)
