"""Filters of the lines of a log."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    context: int = 0

    def __bool__(self) -> bool:
        return bool(self.filters)

    def add(self, one: LineFilter) -> LogFilters:
        """Adds a filter. A filter of a level replaces the one that is there."""
        is_level = isinstance(one.finds, LeastLevel)
        others = tuple(
            other
            for other in self.filters
            if other != one and not (is_level and isinstance(other.finds, LeastLevel) and other.hides == one.hides)
        )
        return replace(self, filters=(*others, one))

    def drop(self, *, hides: bool) -> LogFilters:
        """Drops all filters that hide lines, or all that keep lines."""
        return replace(self, filters=tuple(one for one in self.filters if one.hides != hides))

    def set_context(self, count: int) -> LogFilters:
        """Changes the number of lines around each line that was kept; it stays between 0 and 100."""
        return replace(self, context=max(0, min(count, MOST_CONTEXT)))

    def cycle_level(self) -> LogFilters:
        """Goes from all levels to warnings and errors, then to errors only, then to all levels again."""
        levels = [one for one in self.filters if isinstance(one.finds, LeastLevel) and not one.hides]
        others = replace(self, filters=tuple(one for one in self.filters if one not in levels))
        if not levels:
            return others.add(WARNINGS_AND_ERRORS)
        return others.add(ERRORS_ONLY) if WARNINGS_AND_ERRORS in levels else others

    def check(self) -> None:
        """Raises ConfigError if a pattern is no regular expression."""
        for one in self.filters:
            if isinstance(one.finds, SearchQuery):
                one.finds.check()

    def to_json(self) -> dict[str, Any]:
        has_keep = any(not one.hides for one in self.filters)
        return {"filters": [one.to_json() for one in self.filters], "context": self.context if has_keep else 0}


NO_FILTERS = LogFilters()
