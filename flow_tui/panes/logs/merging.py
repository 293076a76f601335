"""Shows the logs of all ranks of a task as one, and adds those of other tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.panes.logs.merged_logs import MergedAttempt, describe_clocks, open_attempts
from flow_tui.panes.logs.other_tasks import describe_candidate, list_candidates

if TYPE_CHECKING:
    from flow_tui.services import Services
    from flow_tui.widgets.log.merged_view import MergedLogView


class LogMerging:
    """The attempts whose logs `view` shows as one. `show_one` shows the log of one rank instead."""

    def __init__(self, services: Services, view: MergedLogView, show_one: Callable[[], None]) -> None:
        self._services = services
        self._view = view
        self._show_one = show_one
        self._attempts: list[MergedAttempt] = []

    @property
    def is_merged(self) -> bool:
        return self._view.merged is not None

    def describe(self) -> str:
        """Describes what is in view, such as "3 of 4 logs" or "8 logs of 2 tasks"; "" if it is one log."""
        tasks = len(self._attempts) if self.is_merged else 0
        return f"{self._view.describe_logs()}{f' of {tasks} tasks' if tasks > 1 else ''}"

    async def open_ranks(self, task: TaskRecord, attempt: int) -> None:
        """Shows all ranks of one attempt. Raises FlowError if there is only one."""
        await self._open([MergedAttempt(task, attempt)])

    async def choose_task(self, task: TaskRecord, attempt: int) -> bool:
        """Asks for another task, and adds its logs to those in view; removes them if they are there already.

        If one log is in view, all ranks of that attempt come first. Returns False if the user chose none. Raises
        FlowError.
        """
        shown = self._attempts if self.is_merged else [MergedAttempt(task, attempt)]
        others = list_candidates(shown[0].task, self._services.fleet.tasks)
        if not others:
            raise FlowError("there is no other task to add")
        keys = {one.task.key for one in shown}
        others.sort(key=lambda other: other.key not in keys)
        options = [_make_option(number, other, is_shown=other.key in keys) for number, other in enumerate(others)]
        chosen = await self._services.ask(Pick("Add the logs of", options))
        if chosen is None:
            return False
        other = others[int(chosen)]
        if other.key in keys:
            await self._remove(other)
        else:
            await self._open([*shown, MergedAttempt(other, None)])
        return True

    async def _remove(self, task: TaskRecord) -> None:
        left = [one for one in self._attempts if one.task.key != task.key]
        try:
            await self._open(left)
        except FlowError:
            if len(left) > 1:
                raise
            self._show_one()  # the first task has one log only

    async def _open(self, attempts: list[MergedAttempt]) -> None:
        """Shows the logs of these attempts. The time in view stays in view, and hidden logs stay hidden."""
        opened = await open_attempts(self._services, attempts)
        view = self._view
        time, hidden = _find_time_in_view(view) if self.is_merged else None, view.hidden_paths
        await view.end_search()
        self._attempts = attempts
        view.open_merged(opened.sources, opened.is_complete)
        view.hide_paths(hidden)
        if time is not None and (offset := view.find_offset_at(time)) is not None:
            view.go_to(offset)
        if clocks := describe_clocks(opened.sources):
            self._services.notify(clocks)


def _find_time_in_view(view: MergedLogView) -> datetime | None:
    """Returns the time of the current line; None while the view follows the logs."""
    line = None if view.following else view.current_line
    return None if line is None else view.find_time(line.offset)


def _make_option(number: int, task: TaskRecord, *, is_shown: bool) -> PickOption:
    note = "in the view; enter removes it" if is_shown else describe_candidate(task)
    return PickOption(escape_controls(task.name), str(number), note)
