"""The nodes of one partition that can hold instances of a type, whole nodes each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, printable
from flow_core.gpu_shorthand import GpuRequest
from flow_core.providers.slurm.discovery.gres import build_gpu
from flow_core.providers.slurm.discovery.node import Node

if TYPE_CHECKING:
    from flow_core.providers.slurm.discovery.cluster_reader import ClusterState


@dataclass(frozen=True, slots=True)
class NodePool:
    """Nodes of a partition in service, the smallest first. `capacities` are the instances that each can hold."""

    partition: str
    nodes: tuple[Node, ...]
    capacities: dict[str, int]

    @property
    def total(self) -> int:
        """The number of instances that all of them can hold."""
        return sum(self.capacities.values())

    def pick(self, quantity: int, free: Iterable[str]) -> tuple[str, ...] | None:
        """Returns as few of the free nodes as hold so many instances, idle ones first; None if they can't."""
        names = set(free)
        picked: list[str] = []
        for node in sorted(self.nodes, key=lambda node: (sum(node.gpus.values()), not node.is_idle)):
            if quantity > 0 and node.name in names:
                picked.append(node.name)
                quantity -= self.capacities[node.name]
        return tuple(picked) if quantity <= 0 else None


def list_pools(state: ClusterState, request: GpuRequest, region: str | None, default: str | None) -> Iterator[NodePool]:
    """Yields the nodes by partition: those of `region`, else of `default`, else of all, the cluster's default first.

    `default` may be a list such as "a,b". Leaves out partitions without such nodes. Raises ConfigError for an unknown
    region.
    """
    named = [region] if region is not None else [name for name in (default or "").split(",") if name]
    known = {partition.name: partition for partition in state.partitions}
    if region is not None and region not in known:
        names = ", ".join(known) or "none"
        raise ConfigError(
            f"region: {printable(repr(region[:80]))} is no partition here; there are {printable(names)}", field="region"
        )
    chosen = [known[name] for name in named if name in known]
    for partition in chosen or sorted(known.values(), key=lambda partition: not partition.is_default):
        nodes = [node for node in state.nodes if partition.name in node.partitions]
        capacities = {
            node.name: capacity
            for node in nodes
            if not node.condition.is_out_of_service and (capacity := _count_instances(node, request))
        }
        if not request.needs_gpu:
            without_gpus = {node.name for node in nodes if not any(node.gpus.values())}
            capacities = {name: one for name, one in capacities.items() if name in without_gpus} or capacities
        fitting = tuple(node for node in nodes if node.name in capacities)
        if fitting:
            yield NodePool(partition.name, fitting, capacities)


def _count_instances(node: Node, request: GpuRequest) -> int:
    """Returns how many instances a node can hold."""
    if not request.needs_gpu:
        return node.cpus // request.cpus if request.cpus else 1
    return sum(count // request.count for name, count in node.gpus.items() if build_gpu(name).fits(request))
