"""What could start on a node now."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.node import Node
from flow_core.providers.slurm.discovery.partition import Partition
from flow_core.providers.slurm.queue.values import parse_number


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a task that asks for GPUs, and for no CPUs and no memory, needs of a node in a partition."""

    partition: Partition
    takes_whole_nodes: bool
    tracks_memory: bool
    memory_per_cpu_mb: int | None
    memory_per_node_mb: int | None

    @classmethod
    def of(cls, state: ClusterState, partition: Partition) -> Capacity:
        has_own = partition.memory_per_cpu_mb is not None or partition.memory_per_node_mb is not None
        per_cpu, per_node = partition.memory_per_cpu_mb, partition.memory_per_node_mb
        if not has_own:
            per_cpu = parse_number(state.config.get("DefMemPerCPU", ""))
            per_node = parse_number(state.config.get("DefMemPerNode", ""))
        return cls(
            partition=partition,
            takes_whole_nodes=partition.takes_whole_nodes or state.takes_whole_nodes,
            tracks_memory=state.tracks_memory,
            memory_per_cpu_mb=per_cpu,
            memory_per_node_mb=per_node,
        )

    def can_start(self, node: Node, gpu_type: str = "", gpu_count: int = 0) -> bool:
        """Returns whether a task with so many GPUs could start on the node now."""
        if not node.condition.starts_tasks or (gpu_count and node.count_free_gpus(gpu_type) < gpu_count):
            return False
        if self.takes_whole_nodes:
            return node.is_idle
        cpus = max(1, (self.partition.cpus_per_gpu or 0) * gpu_count)
        return node.cpus - node.used_cpus >= cpus and self._has_memory(node, cpus, gpu_count)

    def count_usable_gpus(self, node: Node, gpu_type: str) -> int:
        """Returns the GPUs of a type that tasks could get on the node now."""
        return node.count_free_gpus(gpu_type) if self.can_start(node, gpu_type, 1) else 0

    def _has_memory(self, node: Node, cpus: int, gpu_count: int) -> bool:
        """Without a default, a task gets all memory of its node."""
        if not self.tracks_memory:
            return True
        if gpu_count and self.partition.memory_per_gpu_mb:
            needed_mb = self.partition.memory_per_gpu_mb * gpu_count
        elif self.memory_per_cpu_mb:
            needed_mb = self.memory_per_cpu_mb * cpus
        else:
            needed_mb = self.memory_per_node_mb or node.memory_mb
        return node.memory_mb - node.used_memory_mb >= min(needed_mb, node.memory_mb)
