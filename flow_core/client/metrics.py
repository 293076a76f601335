"""How busy machines are, while somebody looks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from flow_core import validation
from flow_core.client.context_client import ContextClient

if TYPE_CHECKING:
    from flow_core.models.metrics import MachineSample
    from flow_core.providers.base import MetricsFacet


class MetricsCalls(ContextClient):
    """What a client learns of machines."""

    def task_metrics(self, task_id: str, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        """How busy the machine is that a running task's node has, every two seconds until the task ends.

        Of its GPUs, those that the task may use, and who uses them. Memory is in MB (MiB) for GPUs and GB (GiB) for
        the machine; None is what nobody says. Nothing is measured while nobody iterates: close the iterator
        (`aclosing`) when leaving it early. Iterating raises NotFound, Conflict for a task that doesn't run, ConfigError
        (field "node") and Unreachable; Unsupported comes at once.
        """
        return self._metrics.of_task(validation.text("task_id", task_id), node=validation.whole("node", node))

    def instance_metrics(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        """The same of a machine that `find_instances` names, with all its GPUs, until the iterator is closed.

        Iterating raises NotFound, Unreachable, and Unsupported where what can be had is no machine of yours.
        """
        return self._metrics.of_instance(validation.text("allocation_id", allocation_id))

    @property
    def _metrics(self) -> MetricsFacet:
        return self.facet(self.provider.metrics, "metrics")
