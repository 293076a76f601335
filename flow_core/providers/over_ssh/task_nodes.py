"""What a provider over SSH tells of its tasks: how to reach their nodes, and where their logs are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.logs.log_id import LogId
    from flow_core.ssh.host import SshHost


@dataclass(frozen=True, slots=True)
class TaskNode:
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


class TaskLocator(Protocol):
    """Finds the nodes of running tasks. Every method raises NotFound for an unknown task, and Unreachable."""

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        """Raises Conflict for a task that doesn't run, ConfigError (field "node") for a node it doesn't have.

        With `also_ended` the node of an ended task is found too, as long as its files exist.
        """

    async def is_over(self, task_id: str) -> bool:
        """Whether the task has ended, as far as is known; makes no more requests than the provider's list does."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """The file in which a log grows, absolute, on its host.

    `machine` identifies the machine where a task may get another one: files of two machines may look the same.
    """

    host: SshHost
    path: str
    machine: str = ""


class LogSources(Protocol):
    """Finds log files. Every method raises NotFound for an unknown task or log, and Unreachable."""

    context: str

    async def addresses(self, task_id: str) -> tuple[LogId, ...]:
        """Every log of a task, by attempt and rank; empty before it started."""

    async def file(self, address: LogId) -> LogFile | None:
        """None while there can't be one yet, or where the machine it was on is gone."""

    async def startup(self, task_id: str, node: int) -> LogFile:
        """The log of what prepared a node. Raises Conflict where it can't be reached, ConfigError (field "node") for a
        node that isn't there, and Unsupported where nothing prepares machines."""

    async def is_over(self, address: LogId) -> bool:
        """Whether the host adds nothing more to the log."""
