"""Compares the log in the pane with the log of another task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flow_core.errors import FlowError
from flow_core.logs.escape import escape_controls
from flow_core.logs.log_id import LogId
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.panes.logs.compare_screen import ComparedLog, CompareScreen
from flow_tui.panes.logs.log_selection import describe_log
from flow_tui.panes.logs.open_log import OpenLog
from flow_tui.panes.logs.other_tasks import describe_candidate, list_candidates

if TYPE_CHECKING:
    from flow_core.client.flow import AsyncFlow

_ARRIVE_S = 10.0


async def compare_logs(pane: OpenLog) -> None:
    """Asks for another task, compares its log with the one in the pane, and opens the line that the user chooses."""
    task, log, files = pane.services.selection.task, pane.log_id, pane.files
    if task is None or log is None or files is None:
        raise FlowError("no log is shown")
    others = list_candidates(task, pane.services.fleet.tasks)
    if not others:
        raise FlowError("there is no other task to compare with")
    chosen = await pane.services.ask(Pick("Compare with", [_make_option(n, one) for n, one in enumerate(others)]))
    if chosen is None:
        return
    other = others[int(chosen)]
    right = await _open_log(pane.services.fleet.flow(other.context), other, log.rank)
    screen = CompareScreen(ComparedLog(log, files, _name(task, log)), right, pane.services.keys)
    place = await pane.services.ask(screen)
    if place is not None:
        pane.go_to_line(*place)


def _make_option(number: int, task: TaskRecord) -> PickOption:
    return PickOption(escape_controls(task.name), str(number), describe_candidate(task))


def _name(task: TaskRecord, log: LogId) -> str:
    return "  ".join(filter(None, (task.name, describe_log(task, log))))


async def _open_log(flow: AsyncFlow, task: TaskRecord, rank: int) -> ComparedLog:
    """Opens the log of the same rank of the newest attempt, else that of the first rank.

    A log on another machine has 10 s to arrive; then what has arrived is compared. Raises FlowError.
    """
    addresses = await flow.log_addresses(task.task_id)
    newest = [log for log in addresses if log.attempt == addresses[-1].attempt]
    if not newest:
        raise FlowError(f"{task.name} has no log yet")
    log = next((one for one in newest if one.rank == rank), newest[0])
    files = await flow.open_log(log)
    try:
        async with asyncio.timeout(_ARRIVE_S):
            await flow.logs(task.task_id, tail=0, attempt=log.attempt, rank=log.rank)
    except TimeoutError:
        pass  # `r` compares again what has arrived until then
    return ComparedLog(log, files, _name(task, log))
