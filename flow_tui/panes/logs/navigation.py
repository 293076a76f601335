"""Goes to a line or a time that the user typed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from flow_core.errors import FlowError
from flow_core.logs.position_text import TimeTarget, parse_position
from flow_tui.widgets.log import LogView

_POLL_S = 0.05


async def go_to_position(view: LogView, text: str, report: Callable[[str], None]) -> None:
    """Goes to a line or a time of the log in the view. `report` gets the progress while lines are counted.

    Raises FlowError if the text is neither, or the log has no such line or time.
    """
    target = parse_position(text)
    if isinstance(target, TimeTarget):
        view.go_to(_find_time(view, target))
    else:
        view.go_to(await _find_line(view, target, report))


async def _find_line(view: LogView, number: int, report: Callable[[str], None]) -> int:
    """Returns the offset of a line, counted from 1, as soon as the follower has counted up to it."""
    counter, size = view.line_counter, view.log_size
    if counter is None and size:
        raise FlowError("the lines of several logs have no numbers; go to a time")
    if counter is None or not size:
        raise FlowError("there are no lines yet")
    while (offset := counter.find_line_start(number - 1)) is None and counter.scanned < size:
        report(f"counting lines: {100 * counter.scanned // size} %")
        await asyncio.sleep(_POLL_S)  # the follower counts; its progress has no event
    if offset is None or offset >= size:
        raise FlowError(f"the log has {counter.line_count:,} lines")
    return offset


def _find_time(view: LogView, target: TimeTarget) -> int:
    line = view.current_line
    current = None if line is None else view.find_time(line.written_at)
    if current is None:
        raise FlowError("this log has no times, so only :N works, which goes to a line")
    wanted = target.resolve(current.astimezone())
    offset = view.find_offset_at(wanted)
    if offset is None:
        raise FlowError(f"the log ends before {_format(wanted)}")
    return offset


def _format(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
