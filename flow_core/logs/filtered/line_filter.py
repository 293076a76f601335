"""Filters of the lines of a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flow_core.logs.search.query import SearchQuery

MOST_CONTEXT = 100


class LeastLevel(StrEnum):
    """The least serious level of the lines that a filter finds."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class LineFilter:
    """A filter finds the lines that match a query, or the lines of a level. It keeps them, or hides them."""

    finds: SearchQuery | LeastLevel
    hides: bool = False

    def to_json(self) -> dict[str, Any]:
        if isinstance(self.finds, LeastLevel):
            return {"level": self.finds.value, "hides": self.hides}
        return {"source": self.finds.source, "ignores_case": self.finds.ignores_case, "hides": self.hides}


ERRORS_ONLY = LineFilter(LeastLevel.ERROR)
WARNINGS_AND_ERRORS = LineFilter(LeastLevel.WARNING)


@dataclass(frozen=True, slots=True)
class LogFilters:
    """The filters of a view. A line passes if a filter that keeps lines finds it, and no filter that hides lines does.

    Without a filter that keeps lines, all lines that are not hidden pass. `context` is the number of lines that are
    shown before and after each line that was kept; lines that a filter hides don't count.
    """

    filters: tuple[LineFilter, ...] = ()
    context: int = field(default=0)

    def __bool__(self) -> bool:
        return bool(self.filters)

    def check(self) -> None:
        """Raises ConfigError if a pattern is no regular expression."""
        for one in self.filters:
            if isinstance(one.finds, SearchQuery):
                one.finds.check()

    def to_json(self) -> dict[str, Any]:
        has_keep = any(not one.hides for one in self.filters)
        context = max(0, min(self.context, MOST_CONTEXT)) if has_keep else 0
        return {"filters": [one.to_json() for one in self.filters], "context": context}
