"""Which log is shown: the selected task's newest, of its first rank, until another is asked for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_core.agent.spool import SpoolFiles
    from flow_tui.screens.dashboard import DashboardScreen

_NOTHING_YET = LogId("", "", -1)
_SOON_S = 0.15


class TaskLog:
    """What the logs pane of this dashboard shows. `files` are the shown log's, None where there are none."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self.files: SpoolFiles | None = None
        self._dashboard = dashboard
        self._shown: LogId | None = _NOTHING_YET
        self._task: tuple[str, str] | None = None
        self._attempt: int | None = None
        self._rank = 0

    def show(self, task: TaskRecord | None) -> None:
        """Shows the log of this task soon; one that is shown already stays as it is."""
        wanted = None if task is None else self._address(task)
        if wanted != self._shown:
            self._shown, self.files = wanted, None
            self._dashboard.call_after_refresh(self._start, task, wanted)

    async def step(self, by: int) -> None:
        """To another log of the same task, by attempt, then rank; after the last comes the first."""
        task = self._dashboard.tasks.selected
        if task is None:
            return
        addresses = await self._dashboard.fleet.flow(task.context).log_addresses(task.task_id)
        shown = self._address(task)
        if shown not in addresses:
            return
        wanted = addresses[(addresses.index(shown) + by) % len(addresses)]
        self._rank = wanted.rank
        self._attempt = None if wanted.attempt == task.attempt else wanted.attempt
        self.show(task)

    def _address(self, task: TaskRecord) -> LogId:
        if task.key != self._task:
            self._task, self._attempt, self._rank = task.key, None, 0
        attempt = task.attempt if self._attempt is None else self._attempt
        return LogId(task.context, task.task_id, attempt, self._rank)

    def _start(self, task: TaskRecord | None, address: LogId | None) -> None:
        start_worker(self._dashboard, partial(self._open, task, address), group="log", exclusive=True)

    async def _open(self, task: TaskRecord | None, address: LogId | None) -> None:
        logs = await self._dashboard.logs_pane()
        if logs is None:
            return
        if task is None or address is None:
            self.files = None
            logs.show(None, None)
            return
        flow = self._dashboard.fleet.flow(task.context)
        # A far side may take its time: meanwhile the pane must not show the log of another task.
        clearing = self._dashboard.set_timer(_SOON_S, partial(logs.show, task, None, None, place_of(task, address)))
        try:
            self.files = await flow.open_log(address)
        except FlowError as error:
            self._dashboard.say(str(error), severity="error")
        finally:
            clearing.stop()
        if logs.is_attached:
            logs.show(task, self.files, lambda: flow.is_log_complete(address), place_of(task, address))


def place_of(task: TaskRecord, address: LogId) -> str:
    """Which of a task's logs this is, where it has several. Attempts are counted as people count."""
    rank = f"rank {address.rank}" if task.num_instances > 1 else ""
    attempt = f"attempt {address.attempt + 1}" if task.attempt else ""
    return "  ".join(filter(None, (rank, attempt)))
