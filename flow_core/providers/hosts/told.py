"""What a machine tells of its tasks, and the records that are made of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount
from flow_core.providers.hosts.answers import Answer
from flow_core.ssh.settings import HostSettings

VERSION = 1
FINAL = frozenset({"completed", "failed", "cancelled"})
_PENDING = ("pending", "between", "ready")
_TASK_ID = re.compile(r"task_[a-z2-7]{10}")
_ENDING = "its keeper was killed; what is left of it is being ended"


def is_task_id(text: str) -> bool:
    return _TASK_ID.fullmatch(text) is not None


@dataclass(slots=True)
class Told:
    """One task on one machine. `asked_at` is when it was made, by the clock of the machine, as all times here."""

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
    told_at: float = field(default_factory=time.monotonic)

    @property
    def is_final(self) -> bool:
        return self.word in FINAL

    @property
    def is_broken(self) -> bool:
        return self.record.get("version") != VERSION

    @property
    def rank(self) -> int:
        return int(self.record.get("rank", 0))

    @property
    def ranks(self) -> int:
        return int(self.record.get("ranks", 1))

    @property
    def created_at(self) -> float:
        return float(self.record.get("created_at", 0.0))

    def moment(self, there: float | None) -> float | None:
        """A time of the machine's clock by the clock of whoever made the task."""
        return None if there is None else self.created_at + max(0.0, there - self.asked_at)

    def status(self) -> TaskStatus:
        return TaskStatus.PENDING if self.word in _PENDING else TaskStatus(self.word)


def tasks_told(answer: Answer) -> dict[str, Told]:
    """Every task of an answer; what of it can't be read is left as it would be for a task that has just been made."""
    found: dict[str, Told] = {}
    for line in answer.of("R"):
        task_id, _, text = line.partition(" ")
        if is_task_id(task_id):
            found[task_id] = Told(task_id, _table(text))
    for line in answer.of("M"):
        task_id, _, text = line.partition(" ")
        if task_id in found and (mount := _table(text)):
            found[task_id].mounts += (mount,)
    for line in answer.of("A"):
        task_id, moment, directory = [*line.split(" ", 2), "", ""][:3]
        if task_id in found:
            found[task_id].asked_at, found[task_id].directory = _number(moment) or 0.0, directory
    for line in answer.of("S"):
        _read_state(found, line)
    for task_id in answer.of("U"):
        if task_id in found and not found[task_id].is_final:
            found[task_id].message = _ENDING
    return found


def record_of(told: Told, context: str, machine: str, region: str, root: str, reached: HostSettings) -> TaskRecord:
    """`reached` is how the machine is."""
    if told.is_broken:
        return TaskRecord(
            context, told.task_id, told.task_id, TaskStatus.FAILED, region=region, message="its record is broken"
        )
    said = told.record
    return TaskRecord(
        context=context,
        task_id=told.task_id,
        name=str(said["name"]),
        status=told.status(),
        command=str(said.get("command", "")),
        created_at=_at(told.created_at),
        started_at=_at(told.moment(told.began_at)),
        completed_at=_at(told.moment(told.ended_at)),
        num_instances=int(said.get("ranks", 1)),
        instance_type=str(said.get("instance_type", "cpu")),
        gpu_type=said.get("gpu_type"),
        gpu_count=int(said.get("gpu_count", 0)),
        region=region,
        exit_code=told.exit_code,
        message=told.message,
        owner=str(said.get("owner", "")),
        attempt=told.attempt,
        volumes=tuple(_mount(one, told.task_id, root) for one in told.mounts),
        endpoints=_endpoints(said.get("ports", ()), reached.hostname) if told.word == "running" else {},
        instances=(machine,),
        ssh_host=reached.hostname,
        ssh_port=reached.port,
        ssh_user=reached.user,
        config=said.get("config", {}),
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


def _read_state(found: dict[str, Told], line: str) -> None:
    fields = line.split(" ", 8)
    if len(fields) < 8 or fields[0] not in found:
        return
    told = found[fields[0]]
    told.word = fields[1] if fields[1] in {*TaskStatus, *_PENDING} else "failed"
    told.attempt = int(_number(fields[2]) or 0)
    told.began_at, told.ended_at = _number(fields[3]), _number(fields[4])
    code, pid = _number(fields[5]), _number(fields[7])
    told.exit_code = None if code is None else int(code)
    told.gpus = () if fields[6] == "-" else tuple(fields[6].split(","))
    told.pid = None if pid is None else int(pid)
    told.message = fields[8] if len(fields) > 8 else ""


def _mount(said: dict[str, Any], task_id: str, root: str) -> VolumeMount:
    name = str(said.get("name", ""))
    return VolumeMount(str(said.get("volume_id", "")), name, volume_path(root, task_id, name))


def volume_path(root: str, task_id: str, name: str) -> str:
    return f"{root}/tasks/{task_id}/volumes/{name}"


def _endpoints(ports: Iterable[Any], address: str) -> dict[str, str]:
    host = f"[{address}]" if ":" in address else address
    return {str(port): f"http://{host}:{port}" for port in ports}


def _table(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _at(seconds: float | None) -> datetime | None:
    return None if not seconds else datetime.fromtimestamp(seconds, UTC)
