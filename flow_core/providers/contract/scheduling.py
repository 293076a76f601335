"""The facet for providers with a scheduler, whose queue other users share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flow_core.models.scheduling import StartEstimate
    from flow_core.models.task import TaskRecord
    from flow_core.models.task_config import TaskConfig


class SchedulingFacet(Protocol):
    """Changes to queued and running tasks, estimates, and the tasks of other users."""

    async def hold(self, task_id: str) -> None:
        """Keeps a pending task from starting until it is released. Calling it again is safe.

        Raises NotFound, Conflict for a task that doesn't wait, AuthError for a task of another user.
        """

    async def release(self, task_id: str) -> None:
        """Lets a held task start. Calling it again is safe.

        Raises NotFound, Conflict for a task that has ended, AuthError for a task that another user held.
        """

    async def requeue(self, task_id: str) -> None:
        """Ends the command of a task, also of one that has ended, and queues it again: its next attempt.

        A second call ends the new attempt. Raises NotFound, Conflict for a task that can't be requeued, AuthError.
        """

    async def set_time_limit(self, task_id: str, hours: float) -> None:
        """Sets the longest run time of a task, counted from its start. Calling it again is safe.

        Raises NotFound, ConfigError (field "hours"), Conflict for a task that has ended, AuthError if only an operator
        may raise the limit.
        """

    async def signal(self, task_id: str, signal_name: str) -> None:
        """Sends a signal of `SIGNALS` to every process of a running task. A second call sends it again.

        Raises NotFound, Conflict for a task that doesn't run, AuthError.
        """

    async def estimate_start(self, config: TaskConfig) -> StartEstimate | None:
        """Returns when the task would start if it were submitted now; None if the scheduler can't tell.

        Makes one request and leaves nothing behind. Calling it again is safe. Raises what `Provider.submit` raises.
        """

    async def watch_everyone(self, on: bool) -> None:
        """Sets whether `Provider.list_tasks` also returns the tasks of other users. Makes no request.

        Calling it again is safe.
        """

    def describe_hold(self, task: TaskRecord) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_release(self, task: TaskRecord) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_requeue(self, task: TaskRecord) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_set_time_limit(self, task: TaskRecord, hours: float) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_signal(self, task: TaskRecord, signal_name: str) -> str:
        """Returns the exact call or command. Makes no request."""
