"""The common base of bids and reservations: a number of instances of one type with one launch configuration."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from flow_core.emulator.clock import iso_time, iso_time_or_none


@dataclass(slots=True)
class LaunchConfig:
    volumes: list[str]
    ssh_keys: list[str]
    startup_script: str | None = None
    kubernetes_cluster: str | None = None
    image_version: str | None = None
    memory_gb: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "volumes": list(self.volumes),
            "ssh_keys": list(self.ssh_keys),
            "startup_script": self.startup_script,
            "kubernetes_cluster": self.kubernetes_cluster,
            "image_version": self.image_version,
            "memory_gb": self.memory_gb,
        }


@dataclass(slots=True)
class Order(ABC):
    """A bid or a reservation. `instances` are fids, in the order of their numbers.

    Hold `lock` while you change their state.
    """

    fid: str
    name: str
    project: str
    created_by: str
    created_at: datetime
    instance_type: str
    region: str
    quantity: int
    launch: LaunchConfig
    product: ClassVar[Literal["Spot", "Reservations"]]
    instances: list[str] = field(default_factory=list)
    deactivated_at: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    @abstractmethod
    def hour_cents(self) -> int:
        """The present price of one instance for one hour."""

    def order_json(self) -> dict[str, Any]:
        return {
            "fid": self.fid,
            "name": self.name,
            "project": self.project,
            "created_by": self.created_by,
            "created_at": iso_time(self.created_at),
            "deactivated_at": iso_time_or_none(self.deactivated_at),
            "instance_quantity": self.quantity,
            "instance_type": self.instance_type,
            "region": self.region,
            "instances": list(self.instances),
            "launch_specification": self.launch.as_json(),
        }
