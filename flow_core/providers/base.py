"""The contract: what every provider does, and the facets it may have.

Every method is a coroutine, may be called from one event loop only, and raises nothing but FlowError.
"At once" means without the network; every other call ends within the provider's own deadline
(`Unreachable` after it). "Twice is safe" means that a repeated call changes nothing more.
A facet that a provider lacks is `None`; its users raise `Unsupported` or grey the key.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.logs.address import LogAddress
    from flow_core.logs.spool import SpoolFiles
    from flow_core.models.instance import AvailableInstance, InstanceRequirements
    from flow_core.models.spec import TaskConfig
    from flow_core.models.task import TaskRecord, TaskStatus
    from flow_core.models.volume import Volume, VolumeInterface


@dataclass(frozen=True, slots=True)
class PollIntervals:
    """Seconds between two looks at the tasks: while something changes, and while nothing does."""

    busy_s: float
    idle_s: float


class Provider(Protocol):
    """One place where tasks run."""

    poll: PollIntervals
    logs: LogFacet | None
    instances: InstanceFacet | None
    volumes: VolumeFacet | None
    shells: ShellFacet | None

    async def submit(self, config: TaskConfig) -> TaskRecord:
        """Starts or queues a task and returns once it is durable. Not safe twice: two calls, two tasks.

        Raises ConfigError, CapacityError (never possible here), NotFound or Conflict (a volume), Unreachable.
        """

    async def list_tasks(
        self, statuses: Collection[TaskStatus] | None = None, limit: int | None = None
    ) -> tuple[TaskRecord, ...]:
        """Tasks, last submitted first. Twice is safe. A record that can't be read never fails the list."""

    async def get_task(self, task_id: str) -> TaskRecord:
        """One task as it is now. Twice is safe. Raises NotFound."""

    async def cancel_task(self, task_id: str, *, force: bool = False) -> None:
        """Asks for the end of a task and returns at once; the status follows. `force` grants no grace.

        Twice is safe, and so is a task that has ended. Raises NotFound.
        """

    def describe_submit(self, config: TaskConfig) -> str:
        """The exact call or command that `submit` would make, for people to read. At once; no secrets."""

    def describe_cancel(self, task: TaskRecord) -> str:
        """The exact call or command that `cancel_task` would make. At once."""

    async def close(self) -> None:
        """Lets go of everything held. Twice is safe. Running tasks are not touched."""


class LogFacet(Protocol):
    """What tasks wrote. Bytes are kept exactly; offsets count from 0 and never move."""

    async def addresses(self, task_id: str) -> tuple[LogAddress, ...]:
        """Every log of a task, by attempt and rank; empty before it started. Raises NotFound."""

    async def open(self, address: LogAddress) -> SpoolFiles:
        """The spool on this machine that holds this log, or will. The files may not exist yet. Raises NotFound."""

    async def is_complete(self, address: LogAddress) -> bool:
        """True once no byte will be added any more. Raises NotFound."""


class InstanceFacet(Protocol):
    """What can be had."""

    async def find(self, requirements: InstanceRequirements) -> tuple[AvailableInstance, ...]:
        """Instance types that fit, cheapest first, then smallest. Twice is safe. Raises ConfigError."""

    async def normalize(self, gpu_count: int, gpu_type: str | None) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs. Raises ConfigError."""


class VolumeFacet(Protocol):
    """Storage that outlives tasks. A volume may be named wherever an id is asked for."""

    async def create(self, size_gb: int, name: str | None, interface: VolumeInterface, region: str | None) -> Volume:
        """Makes a volume. Not safe twice. Raises ConfigError, Conflict (the name is taken)."""

    async def list(self) -> tuple[Volume, ...]:
        """Every volume, newest first. Twice is safe."""

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


class Shell(Protocol):
    """An interactive terminal on the far side. Whoever opened it must close it."""

    title: str

    def read(self) -> AsyncIterator[bytes]:
        """Output as it comes, in pieces of at most 64 KiB, until the shell ends. The far side is paused while
        nobody asks for the next piece. May be iterated once."""

    async def write(self, data: bytes) -> None:
        """Sends keys. Raises Unreachable when the shell is gone."""

    async def resize(self, columns: int, rows: int) -> None:
        """Tells the far side the size of the pane. Twice is safe; harmless after the end."""

    async def wait(self) -> int:
        """The exit code once the shell has ended."""

    async def close(self) -> None:
        """Hangs up. Twice is safe."""


class ShellFacet(Protocol):
    """Ways into a running task."""

    async def open(self, task_id: str, *, columns: int, rows: int, command: str | None = None) -> Shell:
        """A login shell (or `command`) in the task's directory, with its environment, on a terminal.

        Raises NotFound, Conflict (not running), Unreachable.
        """

    async def directory(self, task_id: str) -> Path | None:
        """Where the task works, when that is on this machine; else None. Raises NotFound."""
