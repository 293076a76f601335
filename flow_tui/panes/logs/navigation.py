"""Goes to a line or a time that the user typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.analysis.line_time import find_time
from flow_core.logs.export import run_blocking
from flow_core.logs.position_text import TimeTarget, parse_position
from flow_core.logs.time_search import find_line_at_time
from flow_tui.widgets.log import LogView

_POLL_S = 0.05


async def go_to_position(view: LogView, files: SpoolFiles | None, text: str, report: Callable[[str], None]) -> None:
    """Goes to a line or a time of the log in the view. `report` gets the progress while lines are counted.

    Raises FlowError if the text is neither, or the log has no such line or time.
    """
    target = parse_position(text)
    if not view.log_size:
        raise FlowError("there are no lines yet")
    if isinstance(target, TimeTarget):
        view.go_to(await _find_time(view, files, target))
    else:
        view.go_to(await _find_line(view, target, report))


async def _find_line(view: LogView, number: int, report: Callable[[str], None]) -> int:
    """Returns the offset of a line, counted from 1, as soon as the follower has counted up to it."""
    counter, size = view.line_counter, view.log_size
    if counter is None:
        raise FlowError("the lines of several logs have no numbers; go to a time")
    while (offset := counter.find_line_start(number - 1)) is None and counter.scanned < size:
        report(f"counting lines: {100 * counter.scanned // size} %")
        await asyncio.sleep(_POLL_S)  # the follower counts; its progress has no event
    if offset is None or offset >= size:
        raise FlowError(f"the log has {counter.line_count:,} lines")
    return offset


async def _find_time(view: LogView, files: SpoolFiles | None, target: TimeTarget) -> int:
    """Returns the offset of a time: by the sidecar, or without one by the times at the beginning of lines."""
    line, now = view.current_line, datetime.now(UTC)
    read_at = None if line is None else view.find_time(line.written_at)
    current = read_at or (None if line is None else find_time(line.text, now)) or now
    wanted = target.resolve(current.astimezone())
    if files is None or view.last_time is not None:
        offset = view.find_offset_at(wanted)
    else:
        offset = await run_blocking(lambda: find_line_at_time(files, view.stream, wanted))
    if offset is None:
        raise FlowError(f"the log has no line of {wanted:%Y-%m-%d %H:%M:%S} or later")
    return offset
