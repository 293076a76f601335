"""The fields of a task under the names of the Flow SDK, for whatever holds a TaskRecord."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError
from flow_core.models.catalog import TaskDict
from flow_core.models.task import TaskRecord, TaskStatus, VolumeMount

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig


class TaskFacts:
    """What was known of a task at its last refresh. Times are aware UTC datetimes, `None` means not (yet) known."""

    record: TaskRecord

    @property
    def task_id(self) -> str:
        return self.record.task_id

    @property
    def id(self) -> str:
        return self.record.task_id

    @property
    def key(self) -> tuple[str, str]:
        """(context, task_id): what tells this task from every other, in every context."""
        return self.record.key

    @property
    def context(self) -> str:
        return self.record.context

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def status(self) -> TaskStatus:
        return self.record.status

    @property
    def is_running(self) -> bool:
        return self.record.is_running

    @property
    def is_terminal(self) -> bool:
        """True once the status can't change any more."""
        return self.record.is_terminal

    @property
    def command(self) -> str:
        """As one shell line."""
        return self.record.command

    @property
    def config(self) -> TaskConfig | None:
        """What it was submitted with; `None` where that isn't known. `record.config` has the same as plain data."""
        from flow_core.models.spec import TaskConfig  # deferred: loads pydantic

        try:
            return TaskConfig.parse(dict(self.record.config)) if self.record.config else None
        except ConfigError:
            return None

    @property
    def message(self) -> str:
        """What there is to say of its state: why it waits, why it failed."""
        return self.record.message

    @property
    def exit_code(self) -> int | None:
        """The command's own; 128 + N when signal N ended it."""
        return self.record.exit_code

    @property
    def attempt(self) -> int:
        """The newest attempt, from 0."""
        return self.record.attempt

    @property
    def created_at(self) -> datetime | None:
        return self.record.created_at

    @property
    def started_at(self) -> datetime | None:
        return self.record.started_at

    @property
    def completed_at(self) -> datetime | None:
        return self.record.completed_at

    @property
    def instance_type(self) -> str:
        return self.record.instance_type

    @property
    def gpu_type(self) -> str | None:
        return self.record.gpu_type

    @property
    def gpu_count(self) -> int:
        """GPUs of one instance."""
        return self.record.gpu_count

    @property
    def num_instances(self) -> int:
        return self.record.num_instances

    @property
    def region(self) -> str:
        return self.record.region

    @property
    def created_by(self) -> str:
        """The id of whoever submitted it, as `get_user` takes it; the name where there is no id."""
        return self.record.created_by or self.record.owner

    @property
    def cost_per_hour(self) -> str | None:
        """Of one instance, such as "$2.50"; `None` where nothing is billed."""
        price = self.record.price_usd_per_hour
        return None if price is None else f"${price:.2f}"

    @property
    def total_cost(self) -> str | None:
        """So far, such as "$12.00"; `None` where nothing is billed."""
        cost = self.record.cost_usd
        return None if cost is None else f"${cost:.2f}"

    @property
    def volumes(self) -> tuple[VolumeMount, ...]:
        return self.record.volumes

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where its ports are reached: {"8080": "http://127.0.0.1:8080"}."""
        return self.record.endpoints

    @property
    def instances(self) -> tuple[str, ...]:
        """Ids of the machines it runs on, where the provider names them."""
        return self.record.instances

    @property
    def ssh_host(self) -> str | None:
        return self.record.ssh_host

    @property
    def host(self) -> str | None:
        """Another word for `ssh_host`."""
        return self.record.ssh_host

    @property
    def public_ip(self) -> str | None:
        """Its address on the internet, where it has one of its own."""
        return public_address(self.record.ssh_host)

    @property
    def ssh_port(self) -> int:
        return self.record.ssh_port

    @property
    def ssh_user(self) -> str:
        return self.record.ssh_user

    @property
    def provider_metadata(self) -> Mapping[str, Any]:
        """What only this provider says."""
        return self.record.provider_metadata

    def to_dict(self) -> TaskDict:
        """The task in plain data."""
        created = self.record.created_at
        return {
            "id": self.record.task_id,
            "name": self.record.name,
            "status": self.record.status.value,
            "instance_type": self.record.instance_type,
            "created": None if created is None else created.astimezone(UTC).isoformat(),
        }

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, TaskFacts) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<Task {self.record.task_id} {self.record.name} {self.record.status}>"


def public_address(host: str | None) -> str | None:
    """The host, where it is an address that the whole internet reaches."""
    try:
        return host if host is not None and ipaddress.ip_address(host).is_global else None
    except ValueError:
        return None
