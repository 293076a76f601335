"""The required part of a provider, and the list of the facets that it may have.

Every method is a coroutine, may be called from one event loop only, and raises nothing but FlowError.
"At once" means without the network; every other call ends within the provider's own deadline, and raises
`Unreachable` after it. "Twice is safe" means that a repeated call changes nothing more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between two polls of the tasks: while something changes, and while nothing does."""

    busy_s: float
    idle_s: float


class Provider(Protocol):
    """One place where tasks run.

    A provider derives from this class, implements what is required, and overrides the facets that it has (with a
    property, a cached property, or an attribute of the class). A facet that it lacks is `None`: the SDK raises
    `Unsupported`, and the dashboard greys out the key. Users only read its members.
    """

    @property
    def poll(self) -> PollIntervals:
        """How often to poll the tasks of this provider. At once."""

    @property
    def config_schema(self) -> IProviderInit:
        """The settings of a context of this provider. At once."""

    @property
    def prune_after_days(self) -> float | None:
        """Ended tasks are pruned so many days after their end, without asking; None: never. At once."""
        return None

    async def submit(self, config: TaskConfig) -> TaskRecord:
        """Starts or queues a task and returns once it is durable. Not safe twice: two calls, two tasks.

        Raises ConfigError, CapacityError (never possible here), NotFound or Conflict (a volume), Unreachable.
        """

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        """Tasks, last submitted first. Twice is safe.

        A record that can't be read never fails the list: return a `Listing` that names it. Where none can be read,
        raise ProviderError.
        """

    async def get_task(self, task_id: str) -> TaskRecord:
        """One task as it is now. Twice is safe. Raises NotFound."""

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        """Requests the end of a task and returns at once; the status follows. `force` gives it no time to clean up.

        Twice is safe, also after the end of the task. Raises NotFound.
        """

    def describe_submit(self, config: TaskConfig) -> str:
        """The exact call or command that `submit` would make, for people to read. At once; no secrets."""

    def discloses(self, config: TaskConfig) -> str:
        """The secrets of this machine that `submit` would send, in words; "" for none. At once. Raises ConfigError."""

    def describe_cancel(self, task: TaskRecord) -> str:
        """The exact call or command that `cancel_task` would make. At once."""

    async def close(self) -> None:
        """Releases every connection and background task. Twice is safe. Running tasks continue to run."""

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
        """Projects and people."""
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
        """Files into tasks, and back."""
        return None

    @property
    def endpoints(self) -> EndpointFacet | None:
        """SSH endpoints of tasks."""
        return None

    @property
    def tunnels(self) -> SshTunnelManager | None:
        """Ports of tasks on this machine."""
        return None

    @property
    def metrics(self) -> MetricsFacet | None:
        """How busy machines are."""
        return None

    @property
    def market(self) -> MarketFacet | None:
        """Prices, quotas and bids."""
        return None

    @property
    def pruning(self) -> PruningFacet | None:
        """The removal of ended tasks."""
        return None
