"""The instance types of a cluster: a row for each kind of node in each partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flow_core.models.instance import AvailableInstance
from flow_core.providers.slurm.discovery.capacity import Capacity
from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.description import describe_access, describe_offer
from flow_core.providers.slurm.discovery.gres import build_gpu, describe_type, name_instance_type, name_model
from flow_core.providers.slurm.discovery.node import Condition, Node
from flow_core.providers.slurm.discovery.partition import Partition


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """The nodes of a partition that have the same number of GPUs of a type; with 0 GPUs, all nodes without any."""

    partition: Partition
    gpu_type: str
    gpu_count: int
    nodes: tuple[Node, ...]

    @property
    def instance_type(self) -> str:
        return name_instance_type(self.gpu_type, self.gpu_count)

    @property
    def allocation_id(self) -> str:
        """An id of its own also where two of the site's types have the same instance type."""
        kind = f"{self.gpu_count}x{describe_type(self.gpu_type)}" if self.gpu_count else self.instance_type
        return f"{self.partition.name}/{kind}"


def list_groups(state: ClusterState) -> Iterator[NodeGroup]:
    """Yields the groups of every partition, in the order of Slurm. A node with GPUs of two types is in two groups."""
    members: dict[str, list[Node]] = {partition.name: [] for partition in state.partitions}
    for node in state.nodes:
        for name in node.partitions:
            if name in members:
                members[name].append(node)
    for partition in state.partitions:
        groups: dict[tuple[str, int], list[Node]] = {}
        for node in members[partition.name]:
            for kind in [(name, count) for name, count in node.gpus.items() if count] or [("", 0)]:
                groups.setdefault(kind, []).append(node)
        for (gpu_type, count), nodes in groups.items():
            yield NodeGroup(partition, gpu_type, count, tuple(nodes))


def build_offer(state: ClusterState, group: NodeGroup, context: str) -> AvailableInstance:
    """Returns the row of a group."""
    partition, nodes = group.partition, group.nodes
    capacity = Capacity.of(state, partition)
    is_open = partition.state == "UP" and not describe_access(state, partition)
    starting = sum(capacity.can_start(node, group.gpu_type, group.gpu_count) for node in nodes) if is_open else 0
    free = sum(capacity.count_usable_gpus(node, group.gpu_type) for node in nodes) if is_open else 0
    has_gpus = group.gpu_count > 0
    return AvailableInstance(
        context=context,
        allocation_id=group.allocation_id,
        instance_type=group.instance_type,
        region=partition.name,
        price_per_hour=0.0,
        gpu_type=name_model(group.gpu_type) if has_gpus else None,
        gpu_count=group.gpu_count,
        gpu_memory_gb=build_gpu(group.gpu_type).memory_gb if has_gpus else None,
        cpu_count=max(node.cpus for node in nodes),
        memory_gb=round(max(node.memory_mb for node in nodes) / 1024),
        available_quantity=starting,
        total_quantity=len(nodes),
        free_gpus=free if has_gpus else None,
        total_gpus=group.gpu_count * len(nodes) if has_gpus else None,
        status=_find_status(partition, nodes, starting),
        description=describe_offer(state, partition, nodes),
    )


def _find_status(partition: Partition, nodes: Sequence[Node], starting: int) -> str:
    if partition.state == "DRAIN" or all(node.condition is Condition.DRAINED for node in nodes):
        return "drained"
    if partition.state != "UP" or all(node.condition.is_out_of_service for node in nodes):
        return "down"
    return "available" if starting else "busy"
