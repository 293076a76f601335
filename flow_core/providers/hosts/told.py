"""What a machine tells of its tasks, and the records that are made of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flow_core.agent.record_fields import Fields, date_of
from flow_core.agent.regular_files import parse_json
from flow_core.errors import printable
from flow_core.identifiers import is_task_id, is_volume_id, is_volume_label
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.hosts.answers import Answer
from flow_core.ssh.settings import HostSettings

VERSION = 1
FINAL = frozenset({"completed", "failed", "cancelled"})
_PENDING = ("pending", "between", "ready")
_RANKS_MAX, _ATTEMPTS_MAX, _MOMENT_MAX = 128, 100, 1e11
_ENDING = "its keeper was killed; what is left of it is being ended"


@dataclass(slots=True)
class Told:
    """One task on one machine. `asked_at` is when it was made, by the clock of the machine, as all times here.

    `problem` says what of it can't be read, "" where all can.
    """

    task_id: str
    record: dict[str, Any] = field(default_factory=dict)
    mounts: tuple[dict[str, Any], ...] = ()
    asked_at: float = 0.0
    directory: str = ""
    word: str = "pending"
    attempt: int = 0
    began_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    gpus: tuple[str, ...] = ()
    pid: int | None = None
    message: str = ""
    problem: str = ""
    told_at: float = field(default_factory=time.monotonic)

    @property
    def is_final(self) -> bool:
        return self.word in FINAL

    @property
    def is_broken(self) -> bool:
        return bool(self.problem)

    @property
    def rank(self) -> int:
        return 0 if self.is_broken else int(self.record["rank"])

    @property
    def ranks(self) -> int:
        return 1 if self.is_broken else int(self.record["ranks"])

    @property
    def created_at(self) -> float:
        return 0.0 if self.is_broken else float(self.record["created_at"])

    def moment(self, there: float | None) -> float | None:
        """A time of the machine's clock by the clock of whoever made the task."""
        return None if there is None else self.created_at + max(0.0, there - self.asked_at)

    def status(self) -> TaskStatus:
        return TaskStatus.PENDING if self.word in _PENDING else TaskStatus(self.word)


def tasks_told(answer: Answer) -> dict[str, Told]:
    """Every task of an answer. One of which a part can't be read says so in `problem`."""
    found: dict[str, Told] = {}
    for line in answer.of("R"):
        task_id, _, text = line.partition(" ")
        if is_task_id(task_id):
            found[task_id] = _read_record(task_id, text)
    for letter, read in (("M", _read_mount), ("A", _read_start), ("S", _read_state)):
        for line in answer.of(letter):
            task_id, _, text = line.partition(" ")
            if task_id in found:
                _read(read, found[task_id], text)
    for task_id in answer.of("U"):
        if task_id in found and not found[task_id].is_final:
            found[task_id].message = _ENDING
    return found


def record_of(told: Told, context: str, machine: str, region: str, root: str, reached: HostSettings) -> TaskRecord:
    """`reached` is how the machine is."""
    if told.is_broken:
        return TaskRecord(
            context,
            told.task_id,
            told.task_id,
            TaskStatus.FAILED,
            region=region,
            message=f"its record is broken: {printable(told.problem)}",
            instances=(machine,),
            provider_metadata={"host": machine, "rank": 0, "pid": None, "folder": f"{root}/tasks/{told.task_id}"},
        )
    said = told.record
    return TaskRecord(
        context=context,
        task_id=told.task_id,
        name=said["name"],
        status=told.status(),
        command=said["command"],
        created_at=_at(told.created_at),
        started_at=_at(told.moment(told.began_at)),
        completed_at=_at(told.moment(told.ended_at)),
        num_instances=told.ranks,
        instance_type=said["instance_type"],
        gpu_type=said["gpu_type"],
        gpu_count=said["gpu_count"],
        region=region,
        exit_code=told.exit_code,
        message=told.message,
        owner=said["owner"],
        attempt=told.attempt,
        volumes=tuple(_mount(one, told.task_id, root) for one in told.mounts),
        endpoints=_endpoints(said["ports"], reached.hostname) if told.word == "running" else {},
        instances=(machine,),
        ssh_host=reached.hostname,
        ssh_port=reached.port,
        ssh_user=reached.user,
        config=said["config"],
        provider_metadata={
            "host": machine,
            "rank": told.rank,
            "folder": f"{root}/tasks/{told.task_id}",
            "working_dir": told.directory,
            "pid": told.pid,
            "gpus": told.gpus,
            "attempt_is_over": told.word == "between",
        },
    )


def _read_record(task_id: str, text: str) -> Told:
    told = Told(task_id)
    try:
        told.record = _record(Fields(parse_json(text)))
    except ValueError as error:
        told.problem = str(error)
    return told


def _record(fields: Fields) -> dict[str, Any]:
    """What is used of a task's record. Raises ValueError."""
    if fields.whole("version") != VERSION:
        raise ValueError("it is of another version")
    ranks = fields.whole("ranks", 1, least=1, most=_RANKS_MAX)
    return {
        "name": fields.text("name"),
        "command": fields.text("command", ""),
        "created_at": _moment(fields.moment("created_at")),
        "rank": fields.whole("rank", 0, most=ranks - 1),
        "ranks": ranks,
        "instance_type": fields.text("instance_type", "cpu"),
        "gpu_type": fields.optional_text("gpu_type"),
        "gpu_count": fields.whole("gpu_count", 0, most=1 << 16),
        "owner": fields.text("owner", ""),
        "ports": fields.wholes("ports", least=1, most=65535),
        "config": fields.table("config"),
    }


def _read(read: Callable[[Told, str], None], told: Told, text: str) -> None:
    try:
        read(told, text)
    except ValueError as error:
        told.problem = told.problem or str(error)


def _read_mount(told: Told, text: str) -> None:
    fields = Fields(parse_json(text))
    volume_id, name = fields.text("volume_id"), fields.text("name")
    if not is_volume_id(volume_id) or not is_volume_label(name):
        raise ValueError("one of its volumes has no valid id or name")
    told.mounts += ({"volume_id": volume_id, "name": name},)


def _read_start(told: Told, text: str) -> None:
    moment, _, told.directory = text.partition(" ")
    told.asked_at = _moment(_number(moment) or 0.0)


def _read_state(told: Told, text: str) -> None:
    """Raises ValueError."""
    fields = text.split(" ", 7)
    if len(fields) < 7:
        raise ValueError("its state is incomplete")
    word, attempt, began, ended, code, gpus, pid = fields[:7]
    told.word = word if word in {*TaskStatus, *_PENDING} else "failed"
    told.attempt = _whole("attempt", attempt, _ATTEMPTS_MAX) or 0
    told.began_at, told.ended_at = (None if (at := _number(one)) is None else _moment(at) for one in (began, ended))
    told.exit_code, told.pid = _whole("exit code", code, 65535), _whole("pid", pid, 1 << 31)
    told.gpus = () if gpus == "-" else tuple(gpus.split(","))
    told.message = fields[7] if len(fields) > 7 else ""


def _mount(said: dict[str, Any], task_id: str, root: str) -> VolumeMount:
    name = str(said.get("name", ""))
    return VolumeMount(str(said.get("volume_id", "")), name, volume_path(root, task_id, name))


def volume_path(root: str, task_id: str, name: str) -> str:
    return f"{root}/tasks/{task_id}/volumes/{name}"


def _endpoints(ports: Iterable[Any], address: str) -> dict[str, str]:
    host = f"[{address}]" if ":" in address else address
    return {str(port): f"http://{host}:{port}" for port in ports}


def _number(text: str) -> float | None:
    """None for the sign of what is not known. Raises ValueError for a number that nothing can be done with."""
    if text in ("", "-"):
        return None
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"its state holds the number {text[:20]}")
    return number


def _whole(name: str, text: str, most: int) -> int | None:
    number = _number(text)
    return None if number is None else Fields({name: number}).whole(name, most=most)


def _moment(seconds: float) -> float:
    """Low enough for a sum of two of them to be a date."""
    if not 0 <= seconds <= _MOMENT_MAX:
        raise ValueError(f"it holds a time that is none: {seconds:g}")
    return seconds


def _at(seconds: float | None) -> datetime | None:
    return None if not seconds else date_of(seconds)
