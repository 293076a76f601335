"""The dictionaries of the Flow SDK reference. Prices are USD per hour and instance."""

from __future__ import annotations

from typing import TypedDict


class GpuInfo(TypedDict):
    """One GPU of a catalog entry; `memory_gb` is the memory of one GPU."""

    model: str
    memory_gb: int


class CatalogEntry(TypedDict):
    """An available instance type, as AvailableInstance.catalog_entry returns it."""

    name: str
    gpu_type: str
    gpu_count: int
    price_per_hour: float
    available: bool
    gpu: GpuInfo


class GPUInstanceDict(TypedDict):
    """An instance type that was found by GPU memory; `gpu_memory_gb` is the memory of one GPU."""

    name: str
    gpu_memory_gb: int
    price_per_hour: float
    gpu_model: str


class TaskDict(TypedDict):
    """A task as plain data, as `Task.to_dict` returns it. `created` is ISO 8601 in UTC."""

    id: str
    name: str
    status: str
    instance_type: str
    created: str | None
