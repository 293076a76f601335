"""Chooses the machines of a task: those where it can start now, or those with the shortest queues."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flow_core.errors import CapacityError, ConfigError, Conflict, FlowError, printable
from flow_core.gpu_matching import Gpu, describe_gpus
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.providers.hosts.agent_client import AgentClient
from flow_core.providers.hosts.host_info import HostInfo
from flow_core.providers.over_agent.submit_requests import build_gpu_request_part, build_no_gpu_part

if TYPE_CHECKING:
    from flow_core.models.task_config import TaskConfig

_SHOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A machine and its suitable GPUs: the task gets `count` of `candidates`."""

    agent: AgentClient
    info: HostInfo
    count: int = 0
    candidates: tuple[Gpu, ...] = ()
    model: str = ""

    @property
    def instance_type(self) -> str:
        return f"{self.count}x{self.model}" if self.count else "cpu"

    @property
    def gpus(self) -> dict[str, Any]:
        """The part about GPUs of the agent's submit request."""
        if not self.count:
            return build_no_gpu_part(self.instance_type, self.info.gpus)
        return build_gpu_request_part(self.count, self.model, self.candidates)

    @property
    def free(self) -> int:
        """The number of suitable GPUs that are free."""
        return len({gpu.gpu_id for gpu in self.candidates} & {gpu.gpu_id for gpu in self.info.free_gpus})

    def has(self, gpu_ids: Collection[str]) -> bool:
        """Returns whether these GPUs are enough for the task."""
        return sum(gpu.gpu_id in gpu_ids for gpu in self.candidates) >= self.count

    @property
    def starts_at_once(self) -> bool:
        """Whether the task could start now."""
        return not self.count or (self.free >= self.count and not self.info.waiting)

    @property
    def rank(self) -> tuple[bool, int, float]:
        """The sort key; the lowest is the best."""
        busy = (self.info.load or 0.0) / (self.info.cpus or 1)
        if not self.count:
            return False, self.info.running, busy
        return (not self.starts_at_once, -self.free if self.starts_at_once else self.info.waiting, busy)


def rank_candidates(
    config: TaskConfig,
    infos: Mapping[AgentClient, HostInfo],
    silent: Mapping[AgentClient, FlowError],
    names: Mapping[str, AgentClient],
) -> list[Candidate]:
    """Returns machines for the task, best first, of the first instance type that any of them can provide.

    Raises ConfigError, and CapacityError if none can provide one.
    """
    suitable = _select_region(config.region, infos, names)
    suitable = {agent: info for agent, info in suitable.items() if _is_large_enough(config, info)}
    sizes = [f"{config.min_cpus} CPUs"] if config.min_cpus else []
    sizes += [f"{config.min_memory_gb} GB"] if config.min_memory_gb else []
    return find_candidates(
        _list_requested_types(config), suitable, silent, f" with {' and '.join(sizes)}" if sizes else ""
    )


def find_candidates(
    instance_types: Sequence[GpuRequest | str],
    infos: Mapping[AgentClient, HostInfo],
    silent: Mapping[AgentClient, FlowError],
    condition: str = "",
) -> list[Candidate]:
    """Returns machines for the first of the instance types that any of them can provide, best first.

    `condition` describes by what `infos` were selected, for the error. Raises CapacityError.
    """
    for instance_type in instance_types:
        candidates = [
            candidate
            for agent, info in infos.items()
            if (candidate := _make_candidate(instance_type, agent, info)) is not None
        ]
        if candidates:
            return sorted(candidates, key=lambda candidate: candidate.rank)
    requested = printable(" or ".join(map(str, instance_types)) + condition)
    has = "; ".join(f"{agent.name} has {_describe_host(info)}" for agent, info in list(infos.items())[:_SHOWN_MAX])
    unreachable = f"; no usable answer from {', '.join(agent.name for agent in silent)}" if silent else ""
    raise CapacityError(
        f"{requested} is not available here: {has or 'no reachable machine is large enough'}{unreachable}"
    )


def choose_machines(config: TaskConfig, ranked: Sequence[Candidate]) -> list[Candidate]:
    """Returns as many machines as the task has ranks, best first.

    Raises CapacityError, and Conflict if a machine is listed with two names.
    """
    ranks = config.num_instances
    if ranks == 1:
        return [ranked[0]]
    chosen: dict[tuple[str, str], Candidate] = {}
    for candidate in ranked:
        if (other := chosen.setdefault(candidate.agent.identity, candidate)) is not candidate and len(ranked) <= ranks:
            raise Conflict(f"{candidate.agent.name!r} is {other.agent.name!r} by another name; list each machine once")
    if len(chosen) < ranks:
        instance_type = ranked[0].instance_type
        raise CapacityError(f"{ranks} machines with {instance_type} are not available here; {len(chosen)} have it")
    return list(chosen.values())[:ranks]


def _list_requested_types(config: TaskConfig) -> tuple[GpuRequest | str, ...]:
    if config.min_gpu_memory_gb is not None:
        return (GpuRequest(min_memory_gb=config.min_gpu_memory_gb),)
    return config.instance_types or ("cpu",)


def _make_candidate(instance_type: GpuRequest | str, agent: AgentClient, info: HostInfo) -> Candidate | None:
    """Returns the machine with its suitable GPUs (all of them if `instance_type` is its name); None if it has too few.

    If the request is for CPUs only, None means that it has too few CPUs.
    """
    if instance_type == agent.name:
        gpus = info.gpus
        return Candidate(agent, info, len(gpus), gpus, gpus[0].short_model) if gpus else Candidate(agent, info)
    request = parse_gpu(instance_type) if isinstance(instance_type, str) else instance_type
    if not request.needs_gpu:
        too_few = request.cpus and info.cpus and request.cpus > info.cpus
        return None if too_few else Candidate(agent, info)
    fitting = tuple(gpu for gpu in info.gpus if gpu.fits(request))
    if len(fitting) < request.count:
        return None
    return Candidate(agent, info, request.count, fitting, request.model or fitting[0].short_model)


def _select_region(
    region: str | None, infos: Mapping[AgentClient, HostInfo], names: Mapping[str, AgentClient]
) -> Mapping[AgentClient, HostInfo]:
    if region is None:
        return infos
    if not any(region in (agent.name, agent.region) for agent in names.values()):
        machines = ", ".join(names)
        raise ConfigError(
            f"region: {printable(repr(region))} is neither a machine nor a region here; there are: {machines}",
            field="region",
        )
    return {agent: info for agent, info in infos.items() if region in (agent.name, agent.region)}


def _is_large_enough(config: TaskConfig, info: HostInfo) -> bool:
    cpus, memory_gb = config.min_cpus, config.min_memory_gb
    return not (cpus and info.cpus and cpus > info.cpus) and not (
        memory_gb and info.memory_gb and memory_gb > info.memory_gb
    )


def _describe_host(info: HostInfo) -> str:
    parts = [describe_gpus(info.gpus)]
    parts += [f"{info.cpus} CPUs"] if info.cpus else []
    parts += [f"{info.memory_gb} GB"] if info.memory_gb else []
    return ", ".join(parts)
