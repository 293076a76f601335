"""What a provider says of its tasks, so that the facets of this room can reach them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.logs.log_id import LogId
    from flow_core.ssh.host import SshHost


@dataclass(frozen=True, slots=True)
class Place:
    """One node of a task.

    `directory` is the task's, absolute, on the node. `enter` makes the line for sh that runs a command there (None: a
    login shell) with the task's environment, replacing that sh. `address` is what the node's ports are reached at,
    seen from the host. `name` is what people call the task; empty where they gave it none. No secret may stand in the
    line that `enter` makes: it is shown to people, and in lists of processes.
    """

    host: SshHost
    directory: str
    enter: Callable[[str | None], str]
    address: str = "127.0.0.1"
    name: str = ""


class Places(Protocol):
    """Where running tasks are. Every method raises NotFound for an unknown task and Unreachable within a deadline."""

    async def place(self, task_id: str, node: int, *, also_ended: bool = False) -> Place:
        """Raises Conflict for a task that doesn't run, ConfigError (field "node") for a node it doesn't have.

        With `also_ended` a task that has ended has its place still, for as long as its files exist.
        """

    async def is_over(self, task_id: str) -> bool:
        """Whether the task has ended, as far as is known; asks nobody more often than the provider's list does."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """The file in which a log grows, absolute, on its host. `machine` is what tells it from the one that a task had
    before, where it may get another; files of two machines may look the same."""

    host: SshHost
    path: str
    machine: str = ""


class LogSources(Protocol):
    """Where logs are. Every method raises NotFound for an unknown task or log and Unreachable within a deadline."""

    context: str

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        """Every log of a task, by attempt and rank; empty before it started."""

    async def file(self, address: LogId) -> LogFile | None:
        """None while there can't be one yet, or where the machine it was on is gone."""

    async def startup(self, task_id: str, node: int) -> LogFile:
        """The log of what prepared a node. Raises Conflict where it can't be reached, ConfigError (field "node") for a
        node that isn't there, and Unsupported where nothing prepares machines."""

    async def is_over(self, address: LogId) -> bool:
        """True once the far side adds nothing more."""
