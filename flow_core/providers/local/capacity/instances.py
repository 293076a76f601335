"""The instance types of this machine: its CPUs, and its GPUs by one, two, four and all."""

from __future__ import annotations

import os
import platform
from typing import Any

from flow_core.agent.capacity import leases, reservation_records
from flow_core.agent.layout import Layout
from flow_core.errors import CapacityError
from flow_core.gpu_matching import Gpu, choose_gpus
from flow_core.gpu_shorthand import GpuRequest, build_gpu_request
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.local.capacity.gpus import find_gpus
from flow_core.providers.local.supported_fields import read_memory_gb
from flow_core.providers.over_agent.in_process_agent import call_agent


class LocalInstances:
    """The instance types of this machine, and how many of each could start now."""

    def __init__(self, layout: Layout, region: str, gpu_setting: Any) -> None:
        self._layout = layout
        self._region = region
        self._gpu_setting = gpu_setting

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        offers = await call_agent(self._list_offers)
        return tuple(offer for offer in offers if offer.fits(requirements))

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        request = build_gpu_request(gpu_count, gpu_type)
        if not request.needs_gpu:
            return str(request), 1, None
        try:
            fitting = choose_gpus(await call_agent(find_gpus, self._gpu_setting), request)
        except CapacityError as error:
            return str(request), 1, str(error)
        models = {gpu.short_model for gpu in fitting}
        is_any = request == GpuRequest(count=gpu_count)
        return f"{gpu_count}x{models.pop()}" if is_any and len(models) == 1 else str(request), 1, None

    def _list_offers(self) -> list[AvailableInstance]:
        self._layout.make()
        gpus = find_gpus(self._gpu_setting)
        taken = self._find_taken_gpus([gpu.gpu_id for gpu in gpus])
        offers = [self._make_offer("cpu", 0, [], 0)]
        for model in dict.fromkeys(gpu.short_model for gpu in gpus):
            alike = [gpu for gpu in gpus if gpu.short_model == model]
            free = sum(gpu.gpu_id not in taken for gpu in alike)
            offers += [self._make_offer(f"{n}x{model}", n, alike, free) for n in _list_counts(len(alike))]
        return offers

    def _find_taken_gpus(self, gpu_ids: list[str]) -> set[str]:
        """Returns the GPUs that are leased or reserved."""
        root = self._layout.root
        return {
            *leases.find_holders(root, gpu_ids),
            *reservation_records.find_reserved_gpus(reservation_records.load_without_lock(root)),
        }

    def _make_offer(self, instance_type: str, count: int, alike: list[Gpu], free: int) -> AvailableInstance:
        """Builds the offer of `count` of the GPUs that are `alike`; `free` of these are unused now."""
        gpu = alike[0] if alike else None
        can_start = free // count if count else None
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
            memory_gb=read_memory_gb(),
            available_quantity=can_start,
            total_quantity=len(alike) // count if count else None,
            free_gpus=free if count else None,
            total_gpus=len(alike) if count else None,
            status="busy" if can_start == 0 else "available",
            description=f"this machine ({platform.machine()})" if gpu is None else gpu.model,
        )


def _list_counts(count: int) -> list[int]:
    return sorted({n for n in (1, 2, 4, 8, 16) if n <= count} | {count})
