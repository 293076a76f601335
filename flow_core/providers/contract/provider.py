"""The required part of a provider, and the list of the facets that it may have.

Every method is a coroutine, may be called from one event loop only, and raises nothing but FlowError. A call whose
docstring doesn't say "Makes no request" may use the network. Such a call ends within the provider's own deadline, and
raises `Unreachable` after it. "Calling it again is safe" means that a repeated call changes nothing more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.scheduling import ScriptSummary
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.task_config import TaskConfig
    from flow_core.providers.contract.access import (
        EndpointFacet,
        RemoteOperations,
        ShellFacet,
        SshTunnelManager,
        UploadFacet,
    )
    from flow_core.providers.contract.account import HttpFacet, IdentityFacet, SshKeyFacet
    from flow_core.providers.contract.config_schema import IProviderInit
    from flow_core.providers.contract.market import MarketFacet
    from flow_core.providers.contract.pruning import PruningFacet
    from flow_core.providers.contract.reservations import ReservationFacet
    from flow_core.providers.contract.resources import InstanceFacet, LogFacet, MetricsFacet, VolumeFacet
    from flow_core.providers.contract.scheduling import SchedulingFacet


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between two polls of the tasks: while something changes, and while nothing does."""

    busy_s: float
    idle_s: float


class Provider(Protocol):
    """A place where tasks run.

    A provider derives from this class, implements the required methods, and overrides the facets that it has (with a
    property, a cached property, or an attribute of the class). A facet that it lacks is `None`: the SDK raises
    `Unsupported`, and the dashboard greys out the key. Callers only read its members.
    """

    @property
    def poll(self) -> PollIntervals:
        """How often to poll the tasks of this provider. Makes no request."""

    @property
    def config_schema(self) -> IProviderInit:
        """The settings of a context of this provider. Makes no request."""

    @property
    def prune_after_days(self) -> float | None:
        """The number of days after which ended tasks are pruned without a prompt; None: never. Makes no request."""
        return None

    async def submit(self, config: TaskConfig) -> TaskRecord:
        """Starts or queues a task and returns once it is stored durably. Two calls start two tasks.

        Raises ConfigError, CapacityError (never possible here), NotFound or Conflict (a volume), Unreachable.
        """

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        """Returns the tasks, last submitted first. Calling it again is safe.

        A record that can't be read never fails the list: return a `Listing` that names it. If no record can be read,
        raise ProviderError. A `Listing` may also tell how many tasks there are without `limit`. A provider may return
        the same object again while nothing has changed.
        """

    async def get_task(self, task_id: str) -> TaskRecord:
        """Returns the current record of a task. Calling it again is safe. Raises NotFound."""

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        """Requests the end of a task and returns without waiting for it; the status changes later.

        `force` gives the task no time to clean up. Calling it again is safe, also after the end of the task. Raises
        NotFound.
        """

    def describe_submit(self, config: TaskConfig) -> str:
        """Returns the exact call or command that `submit` would make, for the user to read, without secrets.

        Makes no request.
        """

    def describe_disclosure(self, config: TaskConfig) -> str:
        """Describes the secrets of this machine that `submit` would send; "" if there are none. Makes no request.

        Raises ConfigError.
        """

    def summarize_script(self, command: str) -> ScriptSummary | None:
        """Returns what a command requests that is a batch script, or the path of one; None for any other command.

        Makes no request; it may read a file, so call it in a thread.
        """
        return None

    def describe_cancel(self, task: TaskRecord) -> str:
        """Returns the exact call or command that `cancel_task` would make. Makes no request."""

    async def close(self) -> None:
        """Closes every connection and ends every background task. Calling it again is safe. Running tasks continue."""

    @property
    def logs(self) -> LogFacet | None:
        """The logs of tasks."""
        return None

    @property
    def instances(self) -> InstanceFacet | None:
        """Instance types, and how many of each are free."""
        return None

    @property
    def volumes(self) -> VolumeFacet | None:
        """Storage that outlives tasks."""
        return None

    @property
    def reservations(self) -> ReservationFacet | None:
        """Capacity that is held for some hours."""
        return None

    @property
    def ssh_keys(self) -> SshKeyFacet | None:
        """The keys that the platform puts on its instances."""
        return None

    @property
    def identity(self) -> IdentityFacet | None:
        """Projects and users."""
        return None

    @property
    def http(self) -> HttpFacet | None:
        """The platform's API as raw HTTP."""
        return None

    @property
    def shells(self) -> ShellFacet | None:
        """Terminals inside tasks."""
        return None

    @property
    def remote(self) -> RemoteOperations | None:
        """Single commands inside tasks."""
        return None

    @property
    def uploads(self) -> UploadFacet | None:
        """Uploads into tasks, and downloads of single files."""
        return None

    @property
    def endpoints(self) -> EndpointFacet | None:
        """SSH endpoints of tasks."""
        return None

    @property
    def tunnels(self) -> SshTunnelManager | None:
        """Tunnels from this machine to ports of tasks."""
        return None

    @property
    def metrics(self) -> MetricsFacet | None:
        """The load of machines."""
        return None

    @property
    def market(self) -> MarketFacet | None:
        """Prices, quotas and bids."""
        return None

    @property
    def scheduling(self) -> SchedulingFacet | None:
        """Changes to queued tasks, start estimates, and the tasks of other users."""
        return None

    @property
    def pruning(self) -> PruningFacet | None:
        """The removal of ended tasks."""
        return None
