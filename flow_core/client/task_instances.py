"""The machines of a task as Instance objects, one per node, as the published SDK has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.models.instance import Instance, InstanceStatus
from flow_core.models.task import TaskStatus
from flow_core.models.task_facts import public_address

if TYPE_CHECKING:
    from flow_core.models.task import TaskRecord
    from flow_core.providers.base import Provider

_STATUS = {
    TaskStatus.PENDING: InstanceStatus.PENDING,
    TaskStatus.RUNNING: InstanceStatus.RUNNING,
    TaskStatus.PREEMPTING: InstanceStatus.RUNNING,
    TaskStatus.PAUSED: InstanceStatus.PAUSED,
}


async def instances_of(provider: Provider, task: TaskRecord) -> list[Instance]:
    """Returns the machines of a task by node; none for a task that has no machine yet."""
    if task.started_at is None and not task.instances:
        return []
    return [await _instance(provider, task, node) for node in range(task.num_instances)]


async def _instance(provider: Provider, task: TaskRecord, node: int) -> Instance:
    host, port = await _address(provider, task, node)
    return Instance(
        instance_id=task.instances[node] if node < len(task.instances) else f"{task.task_id}-{node}",
        task_id=task.task_id,
        node=node,
        status=InstanceStatus.RUNNING if task.still_bills else _STATUS.get(task.status, InstanceStatus.TERMINATED),
        ssh_host=host,
        ssh_port=port,
        public_ip=public_address(host),
        created_at=task.started_at,
        terminated_at=None if task.still_bills else task.completed_at,
    )


async def _address(provider: Provider, task: TaskRecord, node: int) -> tuple[str | None, int | None]:
    if task.num_instances == 1 or provider.endpoints is None or not task.is_running:
        return task.ssh_host, None if task.ssh_host is None else task.ssh_port
    try:
        found = await provider.endpoints.resolve(task.task_id, node)
    except FlowError:
        return None, None
    return found.host, found.port
