"""This machine as something to choose: its CPUs, and its GPUs by one, two, four and all."""

from __future__ import annotations

import os
import platform
from typing import Any

from flow_core.errors import ConfigError
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.gpu_models import Gpu, choose
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.local.capacity import holds, leases
from flow_core.providers.local.capacity.gpus import gpus_here
from flow_core.providers.local.capacity.limits import memory_here_gb
from flow_core.providers.local.layout import Layout
from flow_core.providers.offload import offload


class LocalInstances:
    """What could start here, and how much of it at once now."""

    def __init__(self, layout: Layout, region: str, gpu_setting: Any) -> None:
        self._layout = layout
        self._region = region
        self._gpu_setting = gpu_setting

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        offers = await offload(self._offers)
        return tuple(offer for offer in offers if offer.fits(requirements))

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        if gpu_count < 0:
            raise ConfigError("gpu_count: must not be negative", field="gpu_count")
        if gpu_count == 0:
            return "cpu", 1, None
        model = None if gpu_type is None else parse_gpu(gpu_type).model
        fitting = choose(await offload(gpus_here, self._gpu_setting), GpuRequest(model=model, count=gpu_count))
        return f"{gpu_count}x{model or fitting[0].short_model}", 1, None

    def _offers(self) -> list[AvailableInstance]:
        self._layout.make()
        gpus = gpus_here(self._gpu_setting)
        taken = self._taken([gpu.gpu_id for gpu in gpus])
        offers = [self._offer("cpu", None, 0, None, None)]
        for model in dict.fromkeys(gpu.short_model for gpu in gpus):
            alike = [gpu for gpu in gpus if gpu.short_model == model]
            free = sum(gpu.gpu_id not in taken for gpu in alike)
            offers += [self._offer(f"{n}x{model}", alike[0], n, free // n, len(alike) // n) for n in _steps(len(alike))]
        return offers

    def _taken(self, gpu_ids: list[str]) -> set[str]:
        """Those that a task has or a reservation keeps."""
        root = self._layout.root
        return {*leases.held_by(root, gpu_ids), *holds.keepers(holds.seen(root))}

    def _offer(
        self, instance_type: str, gpu: Gpu | None, count: int, free: int | None, total: int | None
    ) -> AvailableInstance:
        return AvailableInstance(
            context=self._layout.context,
            allocation_id=f"local-{instance_type}",
            instance_type=instance_type,
            region=self._region,
            price_per_hour=0.0,
            gpu_type=None if gpu is None else gpu.short_model,
            gpu_count=count,
            gpu_memory_gb=None if gpu is None else gpu.memory_gb,
            cpu_count=os.cpu_count(),
            memory_gb=memory_here_gb(),
            available_quantity=free,
            total_quantity=total,
            status="available" if free is None or free else "busy",
            description=f"this machine ({platform.machine()})" if gpu is None else gpu.model,
        )


def _steps(count: int) -> list[int]:
    return sorted({n for n in (1, 2, 4, 8, 16) if n <= count} | {count})
