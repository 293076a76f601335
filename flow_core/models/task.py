"""The state of a task as the provider last reported it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any


class TaskStatus(StrEnum):
    """The status of a task. The values are words of the Flow SDK."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    PREEMPTING = "preempting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the status can't change any more."""
        return self in _FINAL


_FINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """A volume of one task. `mount_path` is the requested path in the task."""

    volume_id: str
    name: str
    mount_path: str


@dataclass(frozen=True, slots=True)
class TaskBid:
    """A task's bid for an instance, and the current market price: USD per hour, None if unknown.

    `status` is the provider's word for the state of the bid.
    """

    status: str = ""
    limit_usd_per_hour: Decimal | None = None
    market_usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MainProcess:
    """The process that runs the command of one instance. An empty `host` is this machine.

    With an image, `container` is the name of its container and `engine` the program that runs it.
    """

    pid: int
    host: str = ""
    container: str = ""
    engine: str = ""


@dataclass(frozen=True, slots=True)
class ArrayElement:
    """One element of a task that is an array. `exit_code` as in TaskRecord; None until it has ended, or if unknown."""

    index: int
    status: TaskStatus
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task of one context, as the provider last reported it. (context, task_id) identifies it.

    Times are aware UTC datetimes; None means unknown or not yet. `exit_code` is the command's own, or 128 + N if signal
    N ended it. `price_usd_per_hour` is the price of one instance; None if nothing is billed. `billed_usd_per_hour` is
    the present cost of all instances, also while machines remain after the command has ended. `attempt` counts from 0.
    `endpoints` maps a port to its address. `instances` are ids of machines. `created_by` is the id of the user who
    submitted it, and `owner` that user's name. `bid` is None if capacity has no bids there. `processes` are those of
    the last attempt, if the provider names them. `elements` are the elements of an array, by index; empty for a task
    that is none. `is_held` is whether a pending task waits until it is released. `time_limit_s` is the longest run
    time of an attempt, if the provider reports it. `config` holds the fields of the submitted `TaskConfig` as plain
    data. `provider_metadata` is for users to read; no decision depends on it.
    """

    context: str
    task_id: str
    name: str
    status: TaskStatus
    command: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    instance_type: str = ""
    num_instances: int = 1
    gpu_type: str | None = None
    gpu_count: int = 0
    region: str = ""
    exit_code: int | None = None
    message: str = ""
    owner: str = ""
    attempt: int = 0
    price_usd_per_hour: Decimal | None = None
    billed_usd_per_hour: Decimal | None = None
    cost_usd: Decimal | None = None
    volumes: tuple[VolumeMount, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict, hash=False)
    instances: tuple[str, ...] = ()
    ssh_host: str | None = None
    ssh_port: int = 22
    ssh_user: str = ""
    created_by: str = ""
    bid: TaskBid | None = None
    processes: tuple[MainProcess, ...] = ()
    elements: tuple[ArrayElement, ...] = ()
    is_held: bool = False
    time_limit_s: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    provider_metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> tuple[str, str]:
        """The identity of the task among all contexts."""
        return (self.context, self.task_id)

    @property
    def is_running(self) -> bool:
        return self.status is TaskStatus.RUNNING

    @property
    def is_command_running(self) -> bool:
        """Whether its command runs now, also if the cloud is about to take its machines."""
        return self.status in (TaskStatus.RUNNING, TaskStatus.PREEMPTING)

    @property
    def is_terminal(self) -> bool:
        return self.status.is_final

    @property
    def merged_by(self) -> str:
        """The setting that merged stdout and stderr, as the user writes it; "" without one.

        The provider may still merge them without such a setting.
        """
        if self.config.get("tty"):
            return "tty"
        return "streams: merged" if self.config.get("streams") == "merged" else ""

    @property
    def is_still_billed(self) -> bool:
        """Whether its machines cost money although its command has ended. Cancelling the task ends that."""
        return self.is_terminal and bool(self.billed_usd_per_hour)
