"""The partitions as instance types: a row for each kind of node in each of them, also for nodes that are down."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from flow_core.gpu_shorthand import GpuRequest, build_gpu_request, parse_gpu
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.contract.listing import Listing
from flow_core.providers.slurm.discovery.gres import build_gpu, name_model
from flow_core.providers.slurm.discovery.node import Node
from flow_core.providers.slurm.discovery.offers import build_offer, list_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_core.providers.slurm.discovery.cluster_reader import ClusterState


class StateReader(Protocol):
    """Reads the state of a cluster."""

    async def read(self, max_age_s: float | None = None) -> ClusterState:
        """Returns a state that is at most `max_age_s` old (None: an interval of the reader)."""


class SlurmInstances:
    """The nodes of each partition, and how many of them could start a task now. The region of a row is its partition.

    A row has the CPUs and the memory of the largest of its nodes.
    """

    def __init__(self, reader: StateReader, context_name: str) -> None:
        self._reader = reader
        self._context = context_name
        self._state: ClusterState | None = None
        self._rows: Sequence[AvailableInstance] = ()

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        state = await self._reader.read()
        rows = await self._build_rows(state)
        rest = requirements.copy()
        if (instance_type := rest.pop("instance_type", None)) is not None:
            named = [row for row in rows if row.allocation_id == instance_type]
            rows = named or [row for row in rows if _matches_type(row, instance_type)]
        unreadable = [f"{state.unreadable} of the nodes and partitions can't be read"] if state.unreadable else []
        return Listing.of((row for row in rows if row.fits(rest)), unreadable)

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """Divides the GPUs equally among as few nodes as possible."""
        request = build_gpu_request(gpu_count, gpu_type)
        if not request.needs_gpu:
            return str(request), 1, None
        fitting = _count_fitting((await self._reader.read()).nodes, request)
        most = max((max(counts.values()) for counts in fitting), default=0)
        total = sum(sum(counts.values()) for counts in fitting)
        if not most:
            return str(request), 1, f"{request} can't be had on this cluster; it has no such GPUs"
        per_node = next(number for number in range(min(most, gpu_count), 0, -1) if gpu_count % number == 0)
        warning = f"{request} can't be had on this cluster; it has {total} such GPUs" if gpu_count > total else None
        is_any = request.model is None and request.min_memory_gb is None
        types = {name_model(name) for counts in fitting for name in counts}
        single = replace(request, model=types.pop()) if is_any and len(types) == 1 and types != {"gpu"} else request
        return str(replace(single, count=per_node)), gpu_count // per_node, warning

    async def _build_rows(self, state: ClusterState) -> Sequence[AvailableInstance]:
        """Returns the rows, those with fewer GPUs first. Pauses between rows, of which each may have many nodes."""
        if state is not self._state:
            rows = []
            for group in list_groups(state):
                rows.append(build_offer(state, group, self._context))
                await asyncio.sleep(0)
            self._rows = sorted(rows, key=lambda row: row.gpu_count)
            self._state = state
        return self._rows


def _matches_type(row: AvailableInstance, instance_type: str) -> bool:
    """Returns whether nodes have this name, or have such GPUs and enough of them: a task may use a part of a node."""
    if row.is_type(instance_type):
        return True
    request = parse_gpu(instance_type)
    return request.needs_gpu and row.gpu_count >= request.count and row.is_model(request)


def _count_fitting(nodes: tuple[Node, ...], request: GpuRequest) -> list[dict[str, int]]:
    """Returns the GPUs of each node that fit the request, by type; without the nodes that have none."""
    counts = ({name: count for name, count in node.gpus.items() if build_gpu(name).fits(request)} for node in nodes)
    return [found for found in counts if any(found.values())]
