"""The required part of a provider, and its facets for logs, instances, volumes and metrics.

Every method is a coroutine, may be called from one event loop only, and raises nothing but FlowError.
"At once" means without the network; every other call ends within the provider's own deadline
(`Unreachable` after it). "Twice is safe" means that a repeated call changes nothing more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.address import LogAddress
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.metrics import MachineSample
    from flow_core.models.spec import TaskConfig
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.volume import Volume, VolumeInterface
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


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between two polls of the tasks: while something changes, and while nothing does."""

    busy_s: float
    idle_s: float


class Provider(Protocol):
    """One place where tasks run.

    A provider derives from this class, implements what is required, and overrides the facets that it has (with a
    property, a cached property, or an attribute of the class). A facet that it lacks is `None`: whoever needs it raises
    `Unsupported`, or greys out the key. Every member is read-only to its users.
    """

    @property
    def poll(self) -> PollIntervals:
        """How often the tasks of this provider are worth a look. At once."""

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
        """Asks for the end of a task and returns at once; the status follows. `force` grants no grace.

        Twice is safe, and so is a task that has ended. Raises NotFound.
        """

    def describe_submit(self, config: TaskConfig) -> str:
        """The exact call or command that `submit` would make, for people to read. At once; no secrets."""

    def discloses(self, config: TaskConfig) -> str:
        """What secret of this machine `submit` would send along, in words; "" for none. At once. Raises ConfigError."""

    def describe_cancel(self, task: TaskRecord) -> str:
        """The exact call or command that `cancel_task` would make. At once."""

    async def close(self) -> None:
        """Lets go of everything held. Twice is safe. Running tasks are not touched."""

    @property
    def logs(self) -> LogFacet | None:
        """What tasks wrote."""
        return None

    @property
    def instances(self) -> InstanceFacet | None:
        """What capacity there is."""
        return None

    @property
    def volumes(self) -> VolumeFacet | None:
        """Storage that outlives tasks."""
        return None

    @property
    def reservations(self) -> ReservationFacet | None:
        """Capacity held for some hours."""
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


class LogFacet(Protocol):
    """What tasks wrote. Bytes are kept exactly; offsets count from 0 and never move.

    `separates_streams` is false where stdout and stderr of a task go into one file, so that neither can be had alone.
    """

    separates_streams: bool

    async def addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        """Every log of a task, by attempt and rank; empty before it started. Raises NotFound."""

    async def open(self, address: LogAddress) -> SpoolFiles:
        """The spool on this machine that holds this log, or will. The files may not exist yet. Raises NotFound."""

    async def catch_up(self, address: LogAddress) -> None:
        """Returns once the spool holds all that had been written when this was called. Raises NotFound, Unreachable."""

    async def is_complete(self, address: LogAddress) -> bool:
        """True once no byte will be added to the spool any more. Raises NotFound.

        Whoever reads on asks this every few seconds at least: a spool that is filled from afar is filled for as long
        as somebody asks.
        """

    async def startup(self, task_id: str, node: int) -> str:
        """The end of the log of what prepared a node for its task, 1 MiB at most. Twice is safe.

        Raises NotFound, ConfigError (field "node"), Conflict where its machine can't be reached, Unreachable, and
        Unsupported where nothing prepares machines.
        """


class InstanceFacet(Protocol):
    """What can be had."""

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        """Instance types that fit, cheapest first, then smallest. Twice is safe. Raises ConfigError.

        Rows that can't be read: as in `Provider.list_tasks`.
        """

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs.

        What can't be had is no error: the warning says so. Raises ConfigError for what is no GPU.
        """


class VolumeFacet(Protocol):
    """Storage that outlives tasks. A volume may be named wherever an id is asked for."""

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Makes a volume. Not safe twice. Raises ConfigError, Conflict (the name is taken)."""

    async def list(self) -> tuple[Volume, ...]:
        """Every volume, newest first. Twice is safe. Rows that can't be read: as in `Provider.list_tasks`."""

    async def delete(self, volume_id: str) -> None:
        """Destroys a volume and what is in it. Raises NotFound, Conflict (says which tasks hold it)."""

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """Gives an unfinished task a volume, returns the path it is found at.

        Twice is safe. Raises NotFound, Conflict (held by another task, or the task has ended).
        """

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        """The exact call or command. At once."""

    def describe_delete(self, volume: Volume) -> str:
        """The exact call or command. At once."""

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """The exact call or command. At once."""


class MetricsFacet(Protocol):
    """How busy machines are. Nothing is measured while nobody iterates; close the iterator when leaving it early."""

    def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        """The machine that a task's node runs on, every two seconds while the task runs.

        Raises NotFound, Conflict for a task that doesn't run, ConfigError (field "node"), Unreachable.
        """

    def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        """A machine that `instances.find` names, every two seconds. Raises NotFound, Unreachable, and Unsupported
        where what can be had is no machine of yours."""
