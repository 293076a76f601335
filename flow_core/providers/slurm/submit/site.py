"""What a cluster has, as far as a submission depends on it: its partitions with their kinds of nodes, and its settings.

It changes rarely, so one answer serves all submissions of some minutes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flow_core.gpu_matching import Gpu
from flow_core.providers.slurm.discovery.gres import build_gpu, parse_gpus
from flow_core.providers.slurm.submit.batch_script import parse_time_limit
from flow_core.ssh.quoting import quote_word

if TYPE_CHECKING:
    from flow_core.gpu_shorthand import GpuRequest
    from flow_core.providers.slurm.login_node import LoginNode
    from flow_core.providers.slurm.settings import SlurmSettings

_KEEP_S = 600.0
_TIMEOUT_S = 30.0
_SETTING = re.compile(r"(SelectType|SelectTypeParameters|AccountingStoreFlags)\s*= ?(.*)")
_FIELDS = 7
_SHOWN_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class NodeKind:
    """Nodes of one partition that are alike. `gpus` counts the GPUs of one node by the site's type ("": no type).

    `memory_mb` is the memory of one node. `time_limit_s` is the longest time of a job in the partition, None: no limit.
    """

    partition: str
    is_default: bool
    count: int
    cpus: int
    memory_mb: int
    gpus: tuple[tuple[str, int], ...] = ()
    features: tuple[str, ...] = ()
    time_limit_s: int | None = None

    def count_gpus(self, gpu_type: str | None) -> int:
        """Returns the GPUs of one node, of one type or (None) of all."""
        return sum(count for name, count in self.gpus if gpu_type is None or name == gpu_type)


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What the cluster has. `has_gpu_options` is whether sbatch takes --gpus-per-node there."""

    kinds: tuple[NodeKind, ...] = ()
    has_gpu_options: bool = True
    stores_environment: bool = False

    def select(self, partitions: Collection[str]) -> tuple[NodeKind, ...]:
        """Returns the kinds of nodes in these partitions; without a name, those of the whole cluster."""
        return tuple(kind for kind in self.kinds if not partitions or kind.partition in partitions)


class Site:
    """The facts of the cluster of a context, kept for some minutes."""

    def __init__(self, login_node: LoginNode, settings: SlurmSettings) -> None:
        self._login_node = login_node
        self._settings = settings
        self._facts: SiteFacts | None = None
        self._read_at = 0.0
        self._lock = asyncio.Lock()

    @property
    def known(self) -> SiteFacts | None:
        """The last facts, however old; None before the first answer. Makes no request."""
        return self._facts

    async def read(self) -> SiteFacts:
        """Returns the facts, at most ten minutes old. One call, within 30 s. Raises what `LoginNode.query` raises."""
        clock = asyncio.get_running_loop().time
        async with self._lock:
            if self._facts is None or clock() - self._read_at > _KEEP_S:
                answer = await self._login_node.query(_build_script(self._settings.cluster), timeout_s=_TIMEOUT_S)
                self._facts, self._read_at = parse_facts(answer.decode("utf-8", "replace")), clock()
            return self._facts


def parse_facts(answer: str) -> SiteFacts:
    """Parses the answer of the script. Ignores lines that are none of its own."""
    settings: dict[str, str] = {}
    kinds: list[NodeKind] = []
    for line in answer.splitlines():
        if found := _SETTING.fullmatch(line.strip()):
            settings[found[1]] = found[2].strip().lower()
        elif (kind := _parse_kind(line)) is not None:
            kinds.append(kind)
    select = settings.get("SelectType", "cons_tres") + settings.get("SelectTypeParameters", "")
    return SiteFacts(
        kinds=tuple(kinds),
        has_gpu_options="cons_tres" in select,
        stores_environment="job_env" in settings.get("AccountingStoreFlags", ""),
    )


def find_types(kinds: Sequence[NodeKind], request: GpuRequest) -> list[str]:
    """Returns the site's types that fit the request, the one with the least memory first. "" is a GPU without type."""
    found: dict[str, Gpu] = {}
    for kind in kinds:
        for name, _ in kind.gpus:
            if name not in found and (gpu := build_gpu(name)).fits(request):
                found[name] = gpu
    return sorted(found, key=lambda name: (found[name].memory_gb or 0, name))


def describe_kinds(kinds: Sequence[NodeKind]) -> str:
    """Returns the nodes of each partition in a phrase, such as "3 nodes with 4 x a100 in gpu"."""
    counts: dict[str, dict[str, int]] = {}
    for kind in kinds:
        gpus = " and ".join(f"{count} x {name or 'gpu'}" for name, count in kind.gpus) or "no GPU"
        nodes = counts.setdefault(kind.partition, {})
        nodes[gpus] = nodes.get(gpus, 0) + kind.count
    phrases = [
        ", ".join(f"{_count_nodes(count)} with {gpus}" for gpus, count in nodes.items()) + f" in {partition}"
        for partition, nodes in counts.items()
    ]
    more = ", and more" if len(phrases) > _SHOWN_PARTITIONS else ""
    return ", ".join(phrases[:_SHOWN_PARTITIONS]) + more


def _count_nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def find_feature(kinds: Sequence[NodeKind], request: GpuRequest) -> str | None:
    """Returns the feature of nodes whose GPUs have no type that names the requested model; None if there is none."""
    named = {name for kind in kinds if kind.count_gpus("") for name in kind.features}
    return next((name for name in sorted(named) if request.model and build_gpu(name).fits(request)), None)


def _build_script(cluster: str | None) -> str:
    option = f" -M {quote_word(cluster)}" if cluster else ""
    return (
        f"command sinfo{option} -h -e -o '%P|%D|%c|%m|%l|%G|%f' || exit\n"
        f"command scontrol{option} show config | grep -E '^(SelectType|SelectTypeParameters|AccountingStoreFlags) '\n"
        "exit 0\n"
    )


def _parse_kind(line: str) -> NodeKind | None:
    fields = line.strip().split("|", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return None
    partition, count, cpus, memory, limit, gres, features = fields
    if not (count.isdecimal() and cpus.isdecimal() and memory.isdecimal()):
        return None
    return NodeKind(
        partition=partition.rstrip("*"),
        is_default=partition.endswith("*"),
        count=int(count),
        cpus=int(cpus),
        memory_mb=int(memory),
        gpus=tuple(parse_gpus(gres).items()),
        features=tuple(name for name in features.split(",") if name and name != "(null)"),
        time_limit_s=parse_time_limit(limit),
    )
