"""What could be had, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from flow_core.errors import ConfigError
from flow_core.gpu import parse_gpu
from flow_core.models.catalog import CatalogEntry, GPUInstanceDict


class InstanceRequirements(TypedDict, total=False):
    """Filter of `find_instances`; every key is optional. Prices are USD per hour and instance, memory is GB per GPU."""

    instance_type: str
    gpu_type: str
    gpu_count: int
    min_gpu_count: int
    gpu_memory_gb: int
    max_price: float
    max_price_per_hour: float
    region: str


def check_requirements(wanted: InstanceRequirements) -> None:
    """Raises ConfigError for a key that nobody knows."""
    for key in wanted:
        if key not in InstanceRequirements.__annotations__:
            known = ", ".join(sorted(InstanceRequirements.__annotations__))
            raise ConfigError(f"{key}: is no requirement we know; known are: {known}", field=key)


@dataclass(frozen=True, slots=True)
class AvailableInstance:
    """An instance type that a context offers in a region.

    `memory_gb` is host memory, `gpu_memory_gb` that of one GPU. `available_quantity` is how many more
    of it would start at once now; `None` where the provider doesn't say. `price_per_hour` is USD, 0 for
    what is yours.
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
    status: str = "available"
    expires_at: datetime | None = None
    internode_interconnect: str | None = None
    intranode_interconnect: str | None = None
    description: str = ""

    def fits(self, wanted: InstanceRequirements) -> bool:
        """Whether it is all that is asked for. Raises ConfigError for a GPU type that can't be read."""
        least = max(wanted.get("gpu_count", 0), wanted.get("min_gpu_count", 0))
        prices = [wanted[key] for key in ("max_price", "max_price_per_hour") if wanted.get(key) is not None]
        return (
            wanted.get("instance_type", self.instance_type) == self.instance_type
            and ("gpu_type" not in wanted or parse_gpu(wanted["gpu_type"]).model == self.gpu_type)
            and ("gpu_count" not in wanted or wanted["gpu_count"] == self.gpu_count)
            and self.gpu_count >= least
            and (self.gpu_memory_gb or 0) >= wanted.get("gpu_memory_gb", 0)
            and all(self.price_per_hour <= price for price in prices)
            and wanted.get("region", self.region) == self.region
        )

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.allocation_id)

    @property
    def is_down(self) -> bool:
        """It is a machine, and nobody reaches it now; `description` says why."""
        return self.status == "unreachable"

    def catalog_entry(self) -> CatalogEntry:
        """The same as the reference's dictionary. `available` is true when one more would start at once."""
        return {
            "name": self.instance_type,
            "gpu_type": self.gpu_type or "",
            "gpu_count": self.gpu_count,
            "price_per_hour": self.price_per_hour,
            "available": self.available_quantity != 0 and self.status == "available",
            "gpu": {"model": self.gpu_type or "", "memory_gb": self.gpu_memory_gb or 0},
        }

    def gpu_instance(self) -> GPUInstanceDict:
        """The same as the reference's dictionary of a type chosen by GPU memory."""
        return {
            "name": self.instance_type,
            "gpu_memory_gb": self.gpu_memory_gb or 0,
            "price_per_hour": self.price_per_hour,
            "gpu_model": self.gpu_type or "",
        }
