"""Selects the log to show: by default, the newest log of the selected task's first rank."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.widget import Widget

from flow_core.errors import FlowError
from flow_core.logs.follow import IsComplete
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui.services import Services
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_core.client.flow import AsyncFlow

    ShowLog = Callable[[TaskRecord | None, SpoolFiles | None, IsComplete | None, str], object]
    """(task, files, whether the log is complete, description of which of the task's logs it is)"""

_GROUP = "log"
_CLEAR_AFTER_S = 0.15
_SETTLE_S = 0.15
"""Longer than the pause between two repetitions of a key that is held."""
_ASK_AGAIN_S = 5.0


class LogSelection:
    """The log that is shown. Passes the log of the selected task to `show`. The workers belong to `owner`."""

    def __init__(self, services: Services, owner: Widget, show: ShowLog) -> None:
        self._services = services
        self._owner = owner
        self._show = show
        self.has_arrival_times = False
        """Whether the times of the log that was opened last are those at which it arrived on this machine."""
        self._shown: LogId | None = None
        self._task: tuple[str, str] | None = None
        self._attempt: int | None = None
        self._rank = 0
        self._requested: LogId | None = None
        self._requested_offset = 0
        self._ask_at = 0.0
        self._moved_at = -_SETTLE_S
        self._settling: Timer | None = None

    @property
    def shown(self) -> LogId | None:
        """The log that is shown, or that is being opened; None without one."""
        return self._shown

    def follow(self) -> None:
        """Shows the log of the selected task after the next refresh. Does nothing if that log is shown already.

        If the last log was opened just before, as while a key is held, waits until the cursor rests.
        """
        task = self._services.selection.task
        log_id = None if task is None else self._make_log_id(task)
        if log_id != self._shown:
            self._shown, self._services.selection.log_files = log_id, None
            self._owner.call_after_refresh(self._start_when_settled)

    def request(self, log_id: LogId, offset: int) -> None:
        """Shows this log, also of another task, to which the cursor of the tasks pane moves."""
        selection, key = self._services.selection, (log_id.context, log_id.task_id)
        self._requested, self._requested_offset = log_id, offset
        if selection.task is not None and selection.task.key == key:
            self._task = None
            self.follow()
        else:
            selection.request(key)

    def take_requested_offset(self) -> int | None:
        """Returns the offset to go to in the log that is shown, once; None if another log was requested, or none."""
        if self._requested is None or self._requested != self._shown:
            return None
        self._requested = None
        return self._requested_offset

    async def step(self, by: int) -> None:
        """Shows another log of the same task, ordered by attempt, then rank; after the last log comes the first."""
        task = self._services.selection.task
        if task is None:
            return
        addresses = await self._services.fleet.flow(task.context).log_addresses(task.task_id)
        shown = self._make_log_id(task)
        if len(addresses) < 2:
            self._services.notify(f"{task.name} has {'one log only' if addresses else 'no log yet'}")
            return
        if shown not in addresses:
            return
        log_id = addresses[(addresses.index(shown) + by) % len(addresses)]
        self._rank = log_id.rank
        self._attempt = None if log_id.attempt == task.attempt else log_id.attempt
        self.follow()

    def _make_log_id(self, task: TaskRecord) -> LogId:
        if task.key != self._task:
            first_rank = task.elements[0].index if task.elements else 0
            self._task, self._attempt, self._rank = task.key, None, first_rank
            requested = self._requested
            if requested is not None and (requested.context, requested.task_id) == task.key:
                self._rank = requested.rank
                self._attempt = None if requested.attempt == task.attempt else requested.attempt
            else:
                self._requested = None  # the user went elsewhere
        attempt = task.attempt if self._attempt is None else self._attempt
        return LogId(task.context, task.task_id, attempt, self._rank)

    def _start_when_settled(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        now = asyncio.get_running_loop().time()
        is_moving, self._moved_at = now - self._moved_at < _SETTLE_S, now
        if not self._owner.is_attached:
            return
        if is_moving:
            self._owner.workers.cancel_group(self._owner, _GROUP)
            self._settling = self._owner.set_timer(_SETTLE_S, self._start)
        else:
            self._start()

    def _start(self) -> None:
        opening = partial(self._open, self._services.selection.task, self._shown)
        start_worker(self._owner, opening, group=_GROUP, exclusive=True)

    async def _open(self, task: TaskRecord | None, address: LogId | None) -> None:
        selection = self._services.selection
        if task is None or address is None:
            selection.log_files = None
            self._show(None, None, None, "")
            return
        flow, label = self._services.fleet.flow(task.context), describe_log(task, address)
        # A host may answer late: meanwhile, the pane must not show the log of another task.
        clearing = self._owner.set_timer(_CLEAR_AFTER_S, partial(self._show, task, None, None, label))
        try:
            selection.log_files = await flow.open_log(address)
        except FlowError as error:
            self._services.notify(str(error), severity="error")
        finally:
            clearing.stop()
        self.has_arrival_times = (logs := flow.provider.logs) is not None and not logs.has_writer_times
        if self._owner.is_attached:
            newest = selection.task if selection.task is not None and selection.task.key == task.key else task
            self._show(newest, selection.log_files, partial(self._is_complete, flow, address), label)

    async def _is_complete(self, flow: AsyncFlow, log_id: LogId) -> bool:
        """Returns whether the log is complete. Asks the provider rarely as long as the fleet says that the task runs.

        Each question reads the state of the task, which the fleet polls already. It asks now and then, because a log
        of another machine may only be copied while somebody asks for it.
        """
        task, now = self._services.selection.task, asyncio.get_running_loop().time()
        if (
            task is not None
            and (task.context, task.task_id, task.attempt) == (log_id.context, log_id.task_id, log_id.attempt)
            and task.status is TaskStatus.RUNNING
            and now < self._ask_at
        ):
            return False
        self._ask_at = now + _ASK_AGAIN_S
        return await flow.is_log_complete(log_id)


def describe_log(task: TaskRecord, address: LogId) -> str:
    """Describes which of a task's logs this is; "" if there is only one. Attempts are counted from 1."""
    if task.elements:
        rank = f"element {address.rank}"
    else:
        rank = f"rank {address.rank}" if task.num_instances > 1 or address.rank else ""
    attempt = f"attempt {address.attempt + 1}" if task.attempt else ""
    return "  ".join(filter(None, (rank, attempt)))
