"""Instances: the available types and their prices, the load of a machine, and the machines of a task."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import check_integer, check_optional_text, check_table, check_text
from flow_core.errors import FlowError, printable
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.instance import Instance, InstanceRequirements, InstanceStatus
from flow_core.models.task import TaskStatus
from flow_core.models.task_properties import public_address

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.instance import AvailableInstance
    from flow_core.models.market import PriceSeries
    from flow_core.models.metrics import MachineSample
    from flow_core.models.task import TaskRecord
    from flow_core.providers.contract.provider import Provider
    from flow_core.providers.contract.resources import InstanceFacet

_TYPES_NAMED_MAX = 8
_HOURS_MAX = 24 * 366
_INSTANCE_STATUS = {
    TaskStatus.PENDING: InstanceStatus.PENDING,
    TaskStatus.RUNNING: InstanceStatus.RUNNING,
    TaskStatus.PREEMPTING: InstanceStatus.RUNNING,
    TaskStatus.PAUSED: InstanceStatus.PAUSED,
}


class AsyncInstanceResource:
    """The instances of one context: the types that you can have, and the machines behind them."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def find(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        """Returns the instance types that fit, cheapest first, at most `limit`; an empty table fits all.

        Prices are USD per hour and instance; `gpu_memory_gb` is the memory of one GPU. An `instance_type` is a name or
        a shorthand such as "a100" (one of them) or "8xh100". If nothing fits but the context offers such GPUs in other
        sizes, a Python warning names these. Raises ConfigError for an unknown requirement.
        """
        filters: Any = _drop_none(check_table("requirements", requirements))
        most = check_integer("limit", limit)
        found = await self._instances.find(filters)
        if not found and (others := await self._find_types_with_gpus(filters)):
            requested = filters.get("instance_type") or filters["gpu_type"]
            warnings.warn(
                f"no instance fits; {printable(requested)} is offered only as {', '.join(others)}", stacklevel=2
            )
        return list(found[:most])

    async def normalize(self, gpu_count: int, gpu_type: str | None = None) -> tuple[str, int, str | None]:
        """Returns (instance_type, num_instances, warning) for a number of GPUs of a type; without a type, of any.

        Without instance types in the context, a rule answers: 8, 4 or 2 GPUs per instance, the most that divides.
        """
        count = check_integer("gpu_count", gpu_count)
        model = check_optional_text("gpu_type", gpu_type)
        facet = self._client.provider.instances
        return _normalize_by_rule(count, model or "a100") if facet is None else await facet.normalize(count, model)

    async def prices(self, hours: int = 24) -> list[PriceSeries]:
        """Returns the price of each instance type in each region during the last hours, USD per hour and instance.

        Raises Unsupported in a context without prices.
        """
        market = self._client.get_facet(self._client.provider.market, "market")
        return list(await market.prices(check_integer("hours", hours, 1, _HOURS_MAX)))

    def metrics(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        """Yields the load of a machine that `find` names, with all its GPUs, every two seconds until you close it.

        Iterating raises NotFound, Unreachable, and Unsupported if the instance is not a machine of yours.
        """
        metrics = self._client.get_facet(self._client.provider.metrics, "metrics")
        return metrics.of_instance(check_text("allocation_id", allocation_id))

    async def of_task(self, task_id: str) -> list[Instance]:
        """Returns the machines that a task has, or had, by node; none before it started. Raises NotFound."""
        provider = self._client.provider
        return await _list_machines(provider, await provider.get_task(check_text("task_id", task_id)))

    async def _find_types_with_gpus(self, filters: InstanceRequirements) -> list[str]:
        """Returns the instance types with the requested GPUs, in any number and at any price."""
        requested = filters.get("instance_type") or filters.get("gpu_type")
        request = None if requested is None else parse_gpu(requested)
        if request is None or not request.needs_gpu or request.type_id is not None:
            return []
        everything = await self._instances.find({})
        return list(dict.fromkeys(one.instance_type for one in everything if one.is_model(request)))[:_TYPES_NAMED_MAX]

    @property
    def _instances(self) -> InstanceFacet:
        return self._client.get_facet(self._client.provider.instances, "instance types")


def _normalize_by_rule(gpu_count: int, gpu_type: str) -> tuple[str, int, str | None]:
    if gpu_count == 0:
        return "cpu", 1, None
    each = next((size for size in (8, 4, 2) if gpu_count % size == 0), 1)
    return f"{each}x{gpu_type}", gpu_count // each, None


def _drop_none(requirements: dict[str, Any]) -> dict[str, Any]:
    """Leaves out known requirements that are None: scripts pass None for a requirement that they don't have."""
    known = InstanceRequirements.__annotations__
    return {name: value for name, value in requirements.items() if value is not None or name not in known}


async def _list_machines(provider: Provider, task: TaskRecord) -> list[Instance]:
    """Returns the machines of a task by node; none for a task that has no machine yet."""
    if task.started_at is None and not task.instances:
        return []
    return [await _to_instance(provider, task, node) for node in range(task.num_instances)]


async def _to_instance(provider: Provider, task: TaskRecord, node: int) -> Instance:
    host, port = await _address(provider, task, node)
    status = _INSTANCE_STATUS.get(task.status, InstanceStatus.TERMINATED)
    return Instance(
        instance_id=task.instances[node] if node < len(task.instances) else f"{task.task_id}-{node}",
        task_id=task.task_id,
        node=node,
        status=InstanceStatus.RUNNING if task.is_still_billed else status,
        ssh_host=host,
        ssh_port=port,
        public_ip=public_address(host),
        created_at=task.started_at,
        terminated_at=None if task.is_still_billed else task.completed_at,
    )


async def _address(provider: Provider, task: TaskRecord, node: int) -> tuple[str | None, int | None]:
    if task.num_instances == 1 or provider.endpoints is None or not task.is_running:
        return task.ssh_host, None if task.ssh_host is None else task.ssh_port
    try:
        found = await provider.endpoints.resolve(task.task_id, node)
    except FlowError:
        return None, None
    return found.host, found.port
