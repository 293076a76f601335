"""The facets for logs, instance types, volumes and metrics. For the terms see `provider`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.logs.log_id import LogId
    from flow_core.logs.merged.clock_offset import ClockOffset
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.metrics import MachineSample
    from flow_core.models.volume import Volume, VolumeInterface


class LogFacet(Protocol):
    """The logs of tasks. Bytes are kept exactly; offsets count from 0 and never move."""

    @property
    def separates_streams(self) -> bool:
        """False if stdout and stderr of a task are in one file, so that neither can be read alone. Makes no request."""

    @property
    def has_writer_times(self) -> bool:
        """True if the sidecar records when the task wrote; False if it records when this machine got it.

        Makes no request.
        """

    async def measure_clock(self, address: LogId) -> ClockOffset | None:
        """Returns how far the clock of the machine that writes the log is ahead of this machine's.

        None if it is this machine, or if its clock can't be read now. The answer may be some minutes old. Takes at most
        10 s. Raises NotFound, Unreachable.
        """

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        """Returns the ids of all logs of a task, by attempt and rank; empty before it started. Raises NotFound."""

    async def open(self, address: LogId) -> SpoolFiles:
        """Returns the spool of this log on this machine. The files may not exist yet. Raises NotFound."""

    async def catch_up(self, address: LogId) -> None:
        """Waits until the spool contains everything that was written before the call. Raises NotFound, Unreachable."""

    async def find_lines(self, address: LogId, request: LineRequest | None) -> StoredLines | None:
        """Finds lines of a log on the machine where it is stored; returns None if all of it is on this machine.

        Calling it again is safe. May read the whole log, which ends after 60 s. Raises NotFound, Unreachable, and
        Unsupported without a request if the log is on another machine.
        """

    async def is_complete(self, address: LogId) -> bool:
        """Returns whether nothing will be added to the spool any more. Raises NotFound.

        A reader has to call this every few seconds: a remote log is pulled into the spool only while it is read.
        """

    async def startup(self, task_id: str, node: int) -> str:
        """Returns the end of the log of a node's startup script, 1 MiB at most. Calling it again is safe.

        Raises NotFound, ConfigError (field "node"), Conflict if its machine can't be reached, Unreachable, and
        Unsupported if machines have no startup script.
        """


class InstanceFacet(Protocol):
    """The instance types of a provider."""

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        """Returns the instance types that fit, cheapest first, then smallest. Calling it again is safe.

        Raises ConfigError. Handles unreadable rows as `Provider.list_tasks` does.
        """

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """Returns (instance_type, num_instances, warning) for `gpu_count` GPUs. Calling it again is safe.

        A type that the provider lacks gives a warning, not an error. Raises ConfigError for a text that names no GPU.
        """


class VolumeFacet(Protocol):
    """Storage that outlives tasks. Every `volume_id` may be a name too."""

    @property
    def can_change(self) -> bool:
        """False if volumes are only listed: `create`, `delete` and `attach` raise Unsupported. Makes no request."""

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Creates a volume. Two calls create two volumes. Raises ConfigError, Conflict (the name is taken)."""

    async def list(self) -> tuple[Volume, ...]:
        """Returns every volume, newest first. Calling it again is safe.

        Handles unreadable rows as `Provider.list_tasks` does.
        """

    async def delete(self, volume_id: str) -> None:
        """Deletes a volume and its data.

        Raises NotFound (also on a second call), Conflict (names the tasks that use it).
        """

    async def attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """Attaches a volume to an unfinished task, and returns the path at which the task sees it.

        Calling it again is safe. Raises NotFound, Conflict (another task uses it, or the task has ended).
        """

    def describe_create(self, size_gb: int, name: str | None, interface: VolumeInterface) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_delete(self, volume: Volume) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_attach(self, volume_id: str, task_id: str, mount_path: str | None) -> str:
        """Returns the exact call or command. Makes no request."""


class MetricsFacet(Protocol):
    """The load of machines, measured only while a caller iterates. Close an iterator that you leave early."""

    def of_task(self, task_id: str, *, node: int = 0) -> AsyncGenerator[MachineSample, None]:
        """Yields samples of the machine on which a task's node runs, every two seconds while the task runs.

        Raises NotFound, Conflict for a task that doesn't run, ConfigError (field "node"), Unreachable.
        """

    def of_instance(self, allocation_id: str) -> AsyncGenerator[MachineSample, None]:
        """Yields samples of a machine that `instances.find` names, every two seconds.

        Raises NotFound, Unreachable, and Unsupported if an instance type is not a machine of the user.
        """
