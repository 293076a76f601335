"""A submit request of a client: a table that fits JSON, built from its task and the machine's resources."""

from __future__ import annotations

from typing import Any, NamedTuple

from flow_core.agent.containers.engine import ENGINES
from flow_core.agent.ids import is_task_id
from flow_core.agent.record_fields import Fields
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import RANKS_MAX, GpuPlan, PartPlan, RetryPlan

INVALID_REQUEST = "invalid_request"

_STREAMS = ("separate", "merged")
_MODES = ("spot", "reserved", "auto")
_INTERFACES = ("block", "file")


class VolumeRequest(NamedTuple):
    """A volume for the task, by its id or its name; created if it is missing and `create_if_missing` is true."""

    volume_id: str | None
    name: str | None
    size_gb: int
    interface: str
    create_if_missing: bool
    target: str


class MountRequest(NamedTuple):
    """Data for the task: a path of the machine, `volume://name` or `s3://bucket/key`."""

    source: str
    target: str
    mount_type: str
    options: dict[str, Any]


class SubmitRequest(NamedTuple):
    """One submit. The client chooses the task's id, so that it can repeat the request after a lost response.

    `gpus` is the client's choice of the machine's GPUs: `count` for each rank out of `candidates`. `has_boto3` is
    whether the Python that will fetch data from S3 has boto3; with None the agent checks it.

    A client on another machine also sets: `own_folder` for a task that works in a separate folder, with the code that
    was sent before (`has_code`; `working_dir` is then relative to that code), `part` for one part of a task on several
    machines, `submitted_at` by its own clock, the Python that has boto3, and the S3 credentials that it was allowed to
    send.
    """

    task_id: str
    name: str
    command: str | list[str]
    command_line: str
    env: dict[str, str]
    working_dir: str
    code_root: str
    image: str | None
    engine: str | None
    streams: str
    tty: bool
    ranks: int
    distributed_mode: str | None
    retries: RetryPlan | None
    ports: tuple[int, ...]
    max_run_time_hours: float | None
    gpus: GpuPlan
    reservation: str | None
    allocation_mode: str
    data_mounts: tuple[MountRequest, ...]
    volumes: tuple[VolumeRequest, ...]
    idempotency_key: str | None
    has_boto3: bool | None
    config: dict[str, Any]
    own_folder: bool = False
    has_code: bool = False
    part: PartPlan | None = None
    submitted_at: float | None = None
    s3_python: str | None = None
    credentials: dict[str, str] | None = None

    @classmethod
    def parse(cls, data: Any) -> SubmitRequest:
        """Parses a request; ignores unknown fields. Refuses with INVALID_REQUEST, which names the field."""
        try:
            return _parse(data)
        except ValueError as error:
            raise Refused(INVALID_REQUEST, why=str(error)) from error


def _parse(data: Any) -> SubmitRequest:
    fields = Fields(data)
    return SubmitRequest(
        task_id=_parse_task_id(fields),
        name=fields.text("name"),
        command=_parse_command(data),
        command_line=fields.text("command_line"),
        env=_parse_texts(fields, "env"),
        working_dir=fields.optional_text("working_dir") or "",
        code_root=fields.optional_text("code_root") or "",
        image=fields.optional_text("image"),
        engine=None if data.get("engine") is None else fields.one_of("engine", ENGINES),
        streams=fields.one_of("streams", _STREAMS),
        tty=fields.flag("tty"),
        ranks=fields.whole("ranks", minimum=1, maximum=RANKS_MAX),
        distributed_mode=fields.optional_text("distributed_mode"),
        retries=_parse_retries(data),
        ports=fields.wholes("ports", minimum=1, maximum=65535),
        max_run_time_hours=None if data.get("max_run_time_hours") is None else fields.number("max_run_time_hours"),
        gpus=_parse_gpus(fields.table("gpus")),
        reservation=fields.optional_text("reservation"),
        allocation_mode=fields.one_of("allocation_mode", _MODES),
        data_mounts=tuple(_parse_mount(one) for one in fields.entries("data_mounts")),
        volumes=tuple(_parse_volume(one) for one in fields.entries("volumes")),
        idempotency_key=fields.optional_text("idempotency_key"),
        has_boto3=None if data.get("has_boto3") is None else fields.flag("has_boto3"),
        config=fields.table("config"),
        own_folder=fields.flag("own_folder"),
        has_code=fields.flag("has_code"),
        part=_parse_part(data),
        submitted_at=fields.optional_moment("submitted_at"),
        s3_python=fields.optional_text("s3_python"),
        credentials=None if data.get("credentials") is None else _parse_texts(fields, "credentials"),
    )


def _parse_task_id(fields: Fields) -> str:
    task_id = fields.text("task_id")
    if not is_task_id(task_id):
        raise ValueError("task_id must be the id of a task")
    return task_id


def _parse_command(data: dict[str, Any]) -> str | list[str]:
    """Returns a command line for a shell, or a list of words."""
    if isinstance(data.get("command"), str):
        return Fields(data).text("command")
    words = list(Fields(data).texts("command"))
    if not words:
        raise ValueError("command must hold at least one word")
    return words


def _parse_retries(data: dict[str, Any]) -> RetryPlan | None:
    if data.get("retries") is None:
        return None
    Fields(data["retries"]).whole("max", minimum=1)
    return RetryPlan.parse(data["retries"])


def _parse_part(data: dict[str, Any]) -> PartPlan | None:
    if data.get("part") is None:
        return None
    return PartPlan.parse({**Fields(data).table("part"), "submitted_at": data.get("submitted_at")})


def _parse_gpus(data: dict[str, Any]) -> GpuPlan:
    """Parses the GPUs.

    Requires `wanted` and `count`, and with GPUs also `type` and a visible name for every candidate.
    """
    fields, gpus = Fields(data), GpuPlan.parse(data)
    fields.text("wanted"), fields.whole("count")
    if gpus.per_rank:
        fields.text("type")
        if not set(gpus.candidates) <= gpus.visible.keys():
            raise ValueError("visible must name every one of candidates")
    return gpus._replace(reservation=None)


def _parse_mount(data: Any) -> MountRequest:
    fields = Fields(data)
    return MountRequest(
        fields.text("source"), _parse_target(fields), fields.text("mount_type"), fields.table("options")
    )


def _parse_volume(data: Any) -> VolumeRequest:
    fields = Fields(data)
    return VolumeRequest(
        volume_id=fields.optional_text("volume_id"),
        name=fields.optional_text("name"),
        size_gb=fields.whole("size_gb", minimum=1),
        interface=fields.one_of("interface", _INTERFACES),
        create_if_missing=fields.flag("create_if_missing"),
        target=_parse_target(fields),
    )


def _parse_target(fields: Fields) -> str:
    target = fields.text("target")
    if not target.startswith("/"):
        raise ValueError("target must be an absolute path")
    return target


def _parse_texts(fields: Fields, name: str) -> dict[str, str]:
    table = fields.table(name)
    return {key: Fields(table).text(key) for key in table}
