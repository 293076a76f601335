"""Instance types that a context offers, requirements, and the machines of tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

from flow_core.errors import ConfigError
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.models.as_dict import as_dict
from flow_core.models.typed_dicts import CatalogEntry, GPUInstanceDict


class InstanceRequirements(TypedDict, total=False):
    """A filter for `find_instances`; every key is optional.

    Prices are USD per hour and instance, memory is GB per GPU.
    """

    instance_type: str
    gpu_type: str
    gpu_count: int
    min_gpu_count: int
    gpu_memory_gb: int
    max_price: float
    max_price_per_hour: float
    region: str


def check_requirements(requirements: InstanceRequirements) -> None:
    """Raises ConfigError for an unknown key."""
    for key in requirements:
        if key not in InstanceRequirements.__annotations__:
            known = ", ".join(sorted(InstanceRequirements.__annotations__))
            raise ConfigError(f"{key}: is not a known requirement; known are: {known}", field=key)


@dataclass(frozen=True, slots=True)
class AvailableInstance:
    """An instance type that a context offers in a region.

    `memory_gb` is host memory, `gpu_memory_gb` that of one GPU. `available_quantity` is the number of instances that
    could start now; None if the provider does not report it. `free_gpus` and `total_gpus` count the GPUs of this model
    there, not per instance. `price_per_hour` is USD; 0 for your own machines. `status` is "available", "busy",
    "unreachable", "down" or "drained" (an administrator took it out of service).
    """

    context: str
    allocation_id: str
    instance_type: str
    region: str
    price_per_hour: float
    gpu_type: str | None = None
    gpu_count: int = 0
    gpu_memory_gb: int | None = None
    cpu_count: int | None = None
    memory_gb: int | None = None
    available_quantity: int | None = None
    total_quantity: int | None = None
    free_gpus: int | None = None
    total_gpus: int | None = None
    status: str = "available"
    expires_at: datetime | None = None
    internode_interconnect: str | None = None
    intranode_interconnect: str | None = None
    description: str = ""

    def fits(self, requirements: InstanceRequirements) -> bool:
        """Returns whether it meets all requirements.

        Raises ConfigError for a GPU or instance type that can't be parsed.
        """
        min_count = max(requirements.get("gpu_count", 0), requirements.get("min_gpu_count", 0))
        prices = [requirements[key] for key in ("max_price", "max_price_per_hour") if requirements.get(key) is not None]
        return (
            ("instance_type" not in requirements or self.is_type(requirements["instance_type"]))
            and ("gpu_type" not in requirements or self.is_model(parse_gpu(requirements["gpu_type"])))
            and ("gpu_count" not in requirements or requirements["gpu_count"] == self.gpu_count)
            and self.gpu_count >= min_count
            and (self.gpu_memory_gb or 0) >= requirements.get("gpu_memory_gb", 0)
            and all(self.price_per_hour <= price for price in prices)
            and requirements.get("region", self.region) == self.region
        )

    def is_type(self, text: str) -> bool:
        """Returns whether a name, or a shorthand such as "a100" (one of them), means this type. Raises ConfigError."""
        if text in (self.instance_type, self.allocation_id):
            return True
        request = parse_gpu(text)
        if not request.needs_gpu:
            return not self.gpu_count and (self.cpu_count or 0) >= (request.cpus or 0)
        return self.gpu_count == request.count and self.is_model(request)

    def is_model(self, request: GpuRequest) -> bool:
        """Returns whether its GPUs match the model of a request. Ignores the count."""
        if request.type_id is not None or not request.needs_gpu:
            return request.type_id == self.instance_type
        if not self.gpu_count or (self.gpu_memory_gb or 0) < (request.min_memory_gb or 0):
            return False
        return request.model is None or all(map(self._matches_part, re.split(r"[-.]", request.model)))

    def _matches_part(self, part: str) -> bool:
        """Returns whether a part of a model's name ("a100", "80gb", "sxm") matches its GPUs."""
        names = f"{self.gpu_type or ''} {self.instance_type} {self.intranode_interconnect or ''}".lower()
        words = {re.sub(r"^\d+x(?=[a-z])", "", word) for word in re.findall(r"[a-z0-9]+", names)}
        return (
            part in words
            or part == f"{self.gpu_memory_gb}gb"
            or any(word.rstrip("0123456789") == part for word in words)
        )

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.allocation_id)

    @property
    def is_down(self) -> bool:
        """Whether its machines can't run a task now; `description` gives the reason."""
        return self.status in ("unreachable", "down", "drained")

    def to_dict(self) -> dict[str, Any]:
        """Returns the offer as plain data. `expires_at` is ISO 8601 in UTC."""
        return as_dict(self)

    def catalog_entry(self) -> CatalogEntry:
        """Returns the dictionary of the SDK reference. `available` is true if one more instance could start now."""
        return {
            "name": self.instance_type,
            "gpu_type": self.gpu_type or "",
            "gpu_count": self.gpu_count,
            "price_per_hour": self.price_per_hour,
            "available": self.available_quantity != 0 and self.status == "available",
            "gpu": {"model": self.gpu_type or "", "memory_gb": self.gpu_memory_gb or 0},
        }

    def gpu_instance(self) -> GPUInstanceDict:
        """Returns the dictionary of the SDK reference for a type that was chosen by GPU memory."""
        return {
            "name": self.instance_type,
            "gpu_memory_gb": self.gpu_memory_gb or 0,
            "price_per_hour": self.price_per_hour,
            "gpu_model": self.gpu_type or "",
        }


class InstanceStatus(StrEnum):
    """The status of a task's machine. The values are words of the Flow SDK."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    TERMINATED = "terminated"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine of a task; `node` counts from 0. Fields that the provider does not report are None."""

    instance_id: str
    task_id: str
    node: int
    status: InstanceStatus
    ssh_host: str | None = None
    ssh_port: int | None = None
    public_ip: str | None = None
    private_ip: str | None = None
    created_at: datetime | None = None
    terminated_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the machine as plain data. Times are ISO 8601 in UTC."""
        return as_dict(self)
