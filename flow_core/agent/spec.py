"""The spec of a task: the record `spec.json`, which never changes once the task runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, NewerRecord, read_known, write_json

RANKS_MAX = 128
GPUS_MAX = 1 << 16
_PORT_MAX = 65535


class GpuPlan(NamedTuple):
    """The GPUs of a task: `per_rank` of the candidates for each rank.

    `visible` maps each candidate to its name in CUDA_VISIBLE_DEVICES. `hide` hides all GPUs from a task without GPUs.
    """

    instance_type: str = "cpu"
    type: str | None = None
    per_rank: int = 0
    candidates: tuple[str, ...] = ()
    visible: dict[str, str] = {}
    real: bool = False
    hide: bool = False
    reservation: str | None = None

    @classmethod
    def parse(cls, data: Any) -> GpuPlan:
        """Parses the plan. Raises ValueError."""
        fields = Fields(data)
        return cls(
            instance_type=fields.text("wanted", "cpu"),
            type=fields.optional_text("type"),
            per_rank=fields.whole("count", 0, maximum=GPUS_MAX),
            candidates=fields.texts("candidates"),
            visible=_texts(fields, "visible"),
            real=fields.flag("real"),
            hide=fields.flag("hide"),
            reservation=fields.optional_text("reservation"),
        )

    def as_record(self) -> dict[str, Any]:
        data = self._asdict()
        data["wanted"], data["count"] = data.pop("instance_type"), data.pop("per_rank")
        return data


class ContainerPlan(NamedTuple):
    """The container of a task.

    `ContainerEngine.parse` reads `engine`; `defaults` are variables for an image that doesn't know the user.
    """

    engine: dict[str, Any]
    image: str = ""
    is_line: bool = False
    working_dir: str = ""
    defaults: dict[str, str] = {}

    @property
    def engine_name(self) -> str:
        return str(self.engine["name"])

    @classmethod
    def parse(cls, data: Any) -> ContainerPlan:
        """Parses the plan. Raises ValueError."""
        fields = Fields(data)
        engine = fields.table("engine")
        Fields(engine).text("name")
        return cls(
            engine=engine,
            image=fields.text("image", ""),
            is_line=fields.flag("is_line"),
            working_dir=fields.text("working_dir", ""),
            defaults=_texts(fields, "defaults"),
        )


class RetryPlan(NamedTuple):
    """The retries of a failed task. The delay is multiplied by `factor` for each attempt, up to `max_delay_s`."""

    max: int
    delay_s: float = 0.0
    factor: float = 1.0
    max_delay_s: float = math.inf

    @classmethod
    def parse(cls, data: Any) -> RetryPlan:
        """Parses the plan. Raises ValueError."""
        fields = Fields(data)
        known = {
            name: fields.number(name) for name in ("delay_s", "factor", "max_delay_s") if data.get(name) is not None
        }
        return cls(fields.whole("max"), **known)


class PartPlan(NamedTuple):
    """One part of a task on several machines, with the address of the rendezvous of its ranks."""

    rank: int
    ranks: int
    head: str
    port: int
    submitted_at: float

    @classmethod
    def parse(cls, data: Any) -> PartPlan:
        """Parses the plan. Raises ValueError."""
        fields = Fields(data)
        ranks = fields.whole("ranks", minimum=2, maximum=RANKS_MAX)
        return cls(
            rank=fields.whole("rank", maximum=ranks - 1),
            ranks=ranks,
            head=fields.text("head"),
            port=fields.whole("port", minimum=1, maximum=_PORT_MAX),
            submitted_at=fields.moment("submitted_at"),
        )


class StoredSpec(NamedTuple):
    """One task as it was submitted. `unknown_fields` holds fields of other versions, which are written back."""

    name: str
    command_line: str
    mark: str
    working_dir: str
    seq: int
    created_at: float
    argv: tuple[str, ...] = ()
    env: dict[str, str] = {}
    gpus: GpuPlan = GpuPlan()
    container: ContainerPlan | None = None
    streams: str = "separate"
    tty: bool = False
    ranks: int = 1
    distributed_mode: str | None = None
    retries: RetryPlan | None = None
    ports: tuple[int, ...] = ()
    max_run_time_hours: float | None = None
    owner: str = ""
    agent: str = ""
    submitter: ProcessIdentity | None = None
    config: dict[str, Any] = {}
    part: PartPlan | None = None
    submitted_at: float | None = None
    s3_python: str | None = None
    unknown_fields: dict[str, Any] = {}

    @property
    def needs_gpus(self) -> bool:
        return self.gpus.per_rank > 0

    @classmethod
    def read(cls, path: Path) -> StoredSpec | None:
        """Returns the spec; None if there is none. Raises MalformedRecord, NewerRecord if a newer version wrote it."""
        spec, problem = cls.read_known(path)
        if problem:
            raise NewerRecord(problem, {})
        return spec

    @classmethod
    def read_known(cls, path: Path) -> tuple[StoredSpec | None, str]:
        """Returns the fields that this version knows, and a sentence if a newer version may know more; otherwise "".

        Raises MalformedRecord.
        """
        data, problem = read_known(path)
        if data is None:
            return None, ""
        try:
            return cls.parse(data), problem
        except ValueError as error:
            if problem:
                raise NewerRecord(problem, data) from error
            raise MalformedRecord(f"{path.name} does not hold a task: {error}") from error

    @classmethod
    def parse(cls, data: dict[str, Any]) -> StoredSpec:
        """Parses the fields of a record. Raises ValueError."""
        fields = Fields(data)
        return cls(
            name=fields.text("name"),
            command_line=fields.text("command_line"),
            mark=fields.text("mark"),
            working_dir=fields.text("working_dir"),
            seq=fields.whole("seq"),
            created_at=fields.moment("created_at"),
            argv=fields.texts("argv"),
            env=_texts(fields, "env"),
            gpus=GpuPlan.parse(fields.table("gpus")),
            container=None if data.get("container") is None else ContainerPlan.parse(data["container"]),
            streams=fields.text("streams", "separate"),
            tty=fields.flag("tty"),
            ranks=fields.whole("ranks", 1, minimum=1, maximum=RANKS_MAX),
            distributed_mode=fields.optional_text("distributed_mode"),
            retries=None if data.get("retries") is None else RetryPlan.parse(data["retries"]),
            ports=fields.wholes("ports", minimum=1, maximum=_PORT_MAX),
            max_run_time_hours=fields.optional_number("max_run_time_hours"),
            owner=fields.text("owner", ""),
            agent=fields.text("agent", ""),
            submitter=_identity(data.get("submitter")),
            config=fields.table("config"),
            part=None if data.get("part") is None else PartPlan.parse(data["part"]),
            submitted_at=fields.optional_moment("submitted_at"),
            s3_python=fields.optional_text("s3_python"),
            unknown_fields={
                name: value for name, value in data.items() if name not in cls._fields and name != "version"
            },
        )

    def write(self, path: Path) -> None:
        """Writes the record. Raises OSError."""
        data = {**self.unknown_fields, **self._asdict()}
        del data["unknown_fields"]
        data["gpus"] = self.gpus.as_record()
        for name in ("container", "retries", "submitter", "part"):
            value = getattr(self, name)
            data[name] = None if value is None else value._asdict()
        if self.retries is not None and self.retries.max_delay_s == math.inf:
            del data["retries"]["max_delay_s"]
        write_json(path, data)


def _texts(fields: Fields, name: str) -> dict[str, str]:
    """Returns a dict of strings. Raises ValueError."""
    table = fields.table(name)
    values = Fields(table)
    return {key: values.text(key) for key in table}


def _identity(data: Any) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.parse(data)
    except (KeyError, TypeError) as error:
        raise ValueError("submitter must name a process") from error
