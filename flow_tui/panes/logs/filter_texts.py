"""The texts about the filters of a log: which are set, and how many lines they keep."""

from __future__ import annotations

from flow_core.logs.filtered.filtered_log import FilterProgress
from flow_core.logs.filtered.line_filter import LeastLevel, LineFilter, LogFilters
from flow_tui.format import disk_size

_LEVELS = {LeastLevel.ERROR: "errors", LeastLevel.WARNING: "warnings and errors"}


def describe_filters(filters: LogFilters) -> str:
    """Returns what the filters do, such as `only loss or /it\\d+/, without debug, 3 lines around`; "" without any."""
    words = []
    for word, hides in (("only", False), ("without", True)):
        found = [_describe(one) for one in filters.filters if one.hides is hides]
        if found:
            words.append(f"{word} {' or '.join(found)}")
    if filters.context and any(not one.hides for one in filters.filters):
        words.append(f"{filters.context} {'line' if filters.context == 1 else 'lines'} around")
    return ", ".join(words)


def describe_kept(progress: FilterProgress) -> str:
    """Returns the number of lines that were kept, and how far the log was read while it is not read to its end."""
    count = f"{progress.kept:,} {'line' if progress.kept == 1 else 'lines'}"
    if progress.is_complete:
        return count
    return f"{count}, {disk_size(progress.scanned)} of {disk_size(progress.total)} filtered"


def _describe(one: LineFilter) -> str:
    if isinstance(one.finds, LeastLevel):
        return _LEVELS[one.finds]
    return one.finds.pattern if one.finds.literal else f"/{one.finds.pattern}/"
