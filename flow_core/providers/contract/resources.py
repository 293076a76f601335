"""The facets for logs, instance types, volumes and metrics. For the terms see `provider`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.log_id import LogId
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.metrics import MachineSample
    from flow_core.models.volume import Volume, VolumeInterface


class LogFacet(Protocol):
    """The logs of tasks. Bytes are kept exactly; offsets count from 0 and never move."""

    @property
    def separates_streams(self) -> bool:
        """False where stdout and stderr of a task go into one file, so that neither can be read alone. At once."""

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        """Every log of a task, by attempt and rank; empty before it started. Raises NotFound."""

    async def open(self, address: LogId) -> SpoolFiles:
        """The spool of this log on this machine. The files may not exist yet. Raises NotFound."""

    async def catch_up(self, address: LogId) -> None:
        """Returns once the spool holds all that had been written at the call. Raises NotFound, Unreachable."""

    async def is_complete(self, address: LogId) -> bool:
        """True once nothing will be added to the spool any more. Raises NotFound.

        A reader has to call this every few seconds: a remote log is pulled into the spool only while it is read.
        """

    async def startup(self, task_id: str, node: int) -> str:
        """The end of the log of the startup script of a node, 1 MiB at most. Twice is safe.

        Raises NotFound, ConfigError (field "node"), Conflict where its machine can't be reached, Unreachable, and
        Unsupported where machines have no startup script.
        """


class InstanceFacet(Protocol):
    """The instance types of a provider."""

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        """Instance types that fit, cheapest first, then smallest. Twice is safe. Raises ConfigError.

        Rows that can't be read: as in `Provider.list_tasks`.
        """

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs. Twice is safe.

        A type that the provider lacks is a warning, and no error. Raises ConfigError for a text that names no GPU.
        """


class VolumeFacet(Protocol):
    """Storage that outlives tasks. Every `volume_id` may be a name too."""

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Creates a volume. Not safe twice. Raises ConfigError, Conflict (the name is taken)."""

    async def list(self) -> tuple[Volume, ...]:
        """Every volume, newest first. Twice is safe. Rows that can't be read: as in `Provider.list_tasks`."""

    async def delete(self, volume_id: str) -> None:
        """Deletes a volume and its data. Not safe twice. Raises NotFound, Conflict (names the tasks that use it)."""

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """Attaches a volume to an unfinished task, and returns the path at which the task sees it.

        Twice is safe. Raises NotFound, Conflict (another task uses it, or the task has ended).
        """

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        """The exact call or command. At once."""

    def describe_delete(self, volume: Volume) -> str:
        """The exact call or command. At once."""

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """The exact call or command. At once."""


class MetricsFacet(Protocol):
    """The load of machines. Measured only while somebody iterates; close an iterator that you leave early."""

    def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        """The machine that a task's node runs on, every two seconds while the task runs.

        Raises NotFound, Conflict for a task that doesn't run, ConfigError (field "node"), Unreachable.
        """

    def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        """A machine that `instances.find` names, every two seconds.

        Raises NotFound, Unreachable, and Unsupported where an instance type is no machine of the user.
        """
