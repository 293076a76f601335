"""The fields of a task under the names of the Flow SDK, for every class that holds a TaskRecord."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError
from flow_core.models.task import ArrayElement, TaskRecord, TaskStatus, VolumeMount

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig
    from flow_core.models.typed_dicts import TaskDict


class TaskProperties:
    """The task at its last refresh. Times are aware UTC datetimes; None means unknown or not yet."""

    record: TaskRecord

    @property
    def task_id(self) -> str:
        return self.record.task_id

    @property
    def id(self) -> str:
        return self.record.task_id

    @property
    def key(self) -> tuple[str, str]:
        """(context, task_id), the identity of the task among all contexts."""
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
        """Whether the status can't change any more."""
        return self.record.is_terminal

    @property
    def command(self) -> str:
        """The command as one shell line."""
        return self.record.command

    @property
    def config(self) -> TaskConfig | None:
        """The submitted config; None if it is unknown. `record.config` holds it as plain data."""
        from flow_core.models.task_config import TaskConfig  # lazy import: loads pydantic

        try:
            return TaskConfig.parse(dict(self.record.config)) if self.record.config else None
        except ConfigError:
            return None

    @property
    def message(self) -> str:
        """The reason of its state: why it waits or why it failed."""
        return self.record.message

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; 128 + N if signal N ended it."""
        return self.record.exit_code

    @property
    def attempt(self) -> int:
        """The newest attempt, from 0."""
        return self.record.attempt

    @property
    def elements(self) -> tuple[ArrayElement, ...]:
        """The elements of an array, by index; empty for a task that is none."""
        return self.record.elements

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
        """The GPUs of one instance."""
        return self.record.gpu_count

    @property
    def num_instances(self) -> int:
        return self.record.num_instances

    @property
    def region(self) -> str:
        return self.record.region

    @property
    def created_by(self) -> str:
        """The id of the user who submitted it, for `get_user`; the name if there is no id."""
        return self.record.created_by or self.record.owner

    @property
    def cost_per_hour(self) -> str | None:
        """The price of one instance, such as "$2.50"; None if nothing is billed."""
        price = self.record.price_usd_per_hour
        return None if price is None else f"${price:.2f}"

    @property
    def total_cost(self) -> str | None:
        """The cost up to now, such as "$12.00"; None if nothing is billed."""
        cost = self.record.cost_usd
        return None if cost is None else f"${cost:.2f}"

    @property
    def volumes(self) -> tuple[VolumeMount, ...]:
        return self.record.volumes

    @property
    def endpoints(self) -> Mapping[str, str]:
        """The addresses of its ports: {"8080": "http://127.0.0.1:8080"}."""
        return self.record.endpoints

    @property
    def instances(self) -> tuple[str, ...]:
        """The ids of its machines, if the provider reports them."""
        return self.record.instances

    @property
    def ssh_host(self) -> str | None:
        return self.record.ssh_host

    @property
    def host(self) -> str | None:
        """The same as `ssh_host`."""
        return self.record.ssh_host

    @property
    def public_ip(self) -> str | None:
        """Its public IP address, if it has one."""
        return public_address(self.record.ssh_host)

    @property
    def ssh_port(self) -> int:
        return self.record.ssh_port

    @property
    def ssh_user(self) -> str:
        return self.record.ssh_user

    @property
    def provider_metadata(self) -> Mapping[str, Any]:
        """The fields that only this provider reports."""
        return self.record.provider_metadata

    def to_dict(self) -> TaskDict:
        """Returns the task as plain data."""
        created = self.record.created_at
        return {
            "id": self.record.task_id,
            "name": self.record.name,
            "status": self.record.status.value,
            "instance_type": self.record.instance_type,
            "created": None if created is None else created.astimezone(UTC).isoformat(),
        }

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, TaskProperties) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<Task {self.record.task_id} {self.record.name} {self.record.status}>"


def public_address(host: str | None) -> str | None:
    """Returns the host if it is a public IP address; otherwise None."""
    try:
        return host if host is not None and ipaddress.ip_address(host).is_global else None
    except ValueError:
        return None
