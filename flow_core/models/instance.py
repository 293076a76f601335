"""What could be had, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

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

    @property
    def key(self) -> tuple[str, str]:
        return (self.context, self.allocation_id)

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
