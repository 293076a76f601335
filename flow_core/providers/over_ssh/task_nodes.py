"""The information of a provider over SSH about its tasks: how to reach their nodes, and where their logs are."""

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

    `directory` is the task's directory on the node, absolute. `enter` builds the line for sh that runs a command there
    (None: a login shell) with the task's environment, replacing that sh. `address` is the address of the node's ports,
    as seen from the host. `name` is the user's name for the task; empty if it has none. The line of `enter` must not
    contain a secret: it is shown to the user, and in lists of processes.
    """

    host: SshHost
    directory: str
    enter: Callable[[str | None], str]
    address: str = "127.0.0.1"
    name: str = ""


class TaskLocator(Protocol):
    """Finds the nodes of running tasks. Every method raises NotFound for an unknown task, and Unreachable."""

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        """Finds a node. Raises Conflict for a task that doesn't run, ConfigError (field "node") for an unknown node.

        With `also_ended` it finds the node of an ended task too, as long as its files exist.
        """

    async def is_over(self, task_id: str) -> bool:
        """Returns whether the task is known to have ended; makes no more requests than the provider's list does."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """The file in which a log grows, absolute, on its host.

    `machine` identifies the machine if a task may move to another one: files of two machines may look the same.
    """

    host: SshHost
    path: str
    machine: str = ""


class LogSources(Protocol):
    """Finds log files. Every method raises NotFound for an unknown task or log, and Unreachable."""

    context: str

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        """Returns the ids of all logs of a task, by attempt and rank; empty before it started."""

    async def find_file(self, address: LogId) -> LogFile | None:
        """Returns the file of a log; None while it can't exist yet, or if its machine no longer exists."""

    async def find_startup_log(self, task_id: str, node: int) -> LogFile:
        """Returns the startup log of a node.

        Raises Conflict if the node can't be reached, ConfigError (field "node") for a node that doesn't exist, and
        Unsupported if machines have no startup script.
        """

    async def is_over(self, address: LogId) -> bool:
        """Returns whether the host adds nothing more to the log."""
