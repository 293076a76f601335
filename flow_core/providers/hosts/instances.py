"""The machines as instance types: a row for each, also for a machine that is down."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flow_core.errors import CapacityError, FlowError, HostKeyUnknown
from flow_core.gpu_shorthand import build_gpu_request, parse_gpu
from flow_core.models.instance import AvailableInstance, InstanceRequirements, check_requirements
from flow_core.providers.hosts.host_info import HostInfo, read_all_hosts
from flow_core.providers.hosts.placement import find_candidates

if TYPE_CHECKING:
    from flow_core.providers.hosts.agent_client import AgentClient
    from flow_core.providers.hosts.host_tasks import HostTasks

_SHOWN_WORKERS = 3


class HostInstances:
    """The current resources and users of each machine; the last known ones of a machine that doesn't respond."""

    def __init__(self, context: str, tasks: HostTasks) -> None:
        self._context = context
        self._tasks = tasks
        self._infos: dict[AgentClient, HostInfo] = {}

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        check_requirements(requirements)
        hosts = [host.agent for host in self._tasks.hosts]
        infos, silent = await read_all_hosts(hosts)
        self._infos |= infos
        rows = [self._make_offer(agent, silent.get(agent)) for agent in hosts]
        rest = requirements.copy()
        if (instance_type := rest.pop("instance_type", None)) is not None:
            rows = [row for row in rows if _matches_type(row, instance_type)]
        return tuple(row for row in rows if row.fits(rest))

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        request = build_gpu_request(gpu_count, gpu_type)
        if not request.needs_gpu:
            return str(request), 1, None
        infos, silent = await read_all_hosts([host.agent for host in self._tasks.hosts])
        try:
            return find_candidates((request,), infos, silent)[0].instance_type, 1, None
        except CapacityError as error:
            return str(request), 1, str(error)

    def _make_offer(self, agent: AgentClient, error: FlowError | None) -> AvailableInstance:
        info = self._infos.get(agent, HostInfo())
        first = info.gpus[0] if info.gpus else None
        alike = [] if first is None else [gpu for gpu in info.gpus if gpu.short_model == first.short_model]
        free = len({gpu.gpu_id for gpu in alike} & {gpu.gpu_id for gpu in info.free_gpus})
        return AvailableInstance(
            context=self._context,
            allocation_id=agent.name,
            instance_type=_find_type(agent, self._infos.get(agent)),
            region=agent.region,
            price_per_hour=0.0,
            gpu_type=None if first is None else first.short_model,
            gpu_count=len(alike),
            gpu_memory_gb=None if first is None else first.memory_gb,
            cpu_count=info.cpus,
            memory_gb=info.memory_gb,
            available_quantity=0 if error is not None else None if first is None else free,
            total_quantity=None if first is None else len(alike),
            free_gpus=None if first is None else 0 if error is not None else free,
            total_gpus=None if first is None else len(alike),
            status="unreachable" if error is not None else "available" if first is None or free else "busy",
            description=_explain_error(agent, error) if error is not None else _describe(agent, info),
        )


def _matches_type(row: AvailableInstance, instance_type: str) -> bool:
    """Returns whether a machine has this name, or has such GPUs and enough of them: a task may use a part."""
    if row.is_type(instance_type):
        return True
    request = parse_gpu(instance_type)
    return request.needs_gpu and row.gpu_count >= request.count and row.is_model(request)


def _find_type(agent: AgentClient, info: HostInfo | None) -> str:
    """Returns the offered instance type: all GPUs of the first model, or "cpu".

    While the resources are unknown, the machine's name, which is an instance type too.
    """
    if info is None or not info.gpus:
        return agent.name if info is None else "cpu"
    model = info.gpus[0].short_model
    return f"{sum(gpu.short_model == model for gpu in info.gpus)}x{model}"


def _explain_error(agent: AgentClient, error: FlowError) -> str:
    """Returns why a machine is down; for an unknown host key, how to accept it."""
    if isinstance(error, HostKeyUnknown):
        return f"{agent.name}: its key is not known, {error.fingerprint}; accept it with: ssh {agent.name}"
    return str(error)


def _describe(agent: AgentClient, info: HostInfo) -> str:
    parts = [agent.name, info.gpus[0].model if info.gpus else info.system]
    kinds = Counter(gpu.short_model for gpu in info.gpus)
    if len(kinds) > 1:
        parts.append(", ".join(f"{count} x {model}" for model, count in kinds.items()))
    if info.is_driver_stuck:
        parts.append("its GPU driver does not answer")
    if info.load is not None:
        parts.append(f"load {info.load:g}")
    if info.free_memory_gb is not None:
        parts.append(f"{info.free_memory_gb} GB free")
    users = [f"{worker.user} ({worker.program})" for worker in info.workers]
    parts += [f"GPUs used by {', '.join(list(dict.fromkeys(users))[:_SHOWN_WORKERS])}"] if users else []
    parts += [f"{info.waiting} pending"] if info.waiting else []
    return ", ".join(part for part in parts if part)
