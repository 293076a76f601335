"""The filters of a view of a log."""

from __future__ import annotations

from flow_core.logs.filtered.line_filter import ERRORS_ONLY, MOST_CONTEXT, WARNINGS_AND_ERRORS, LineFilter, LogFilters
from flow_core.logs.search.query import SearchQuery

LOSS, DEBUG = LineFilter(SearchQuery("loss")), LineFilter(SearchQuery("debug"), hides=True)


def test_filters_are_added_once_and_dropped_by_what_they_do() -> None:
    filters = LogFilters().add(LOSS).add(DEBUG).add(LOSS)
    assert set(filters.filters) == {LOSS, DEBUG}
    assert filters.drop(hides=True).filters == (LOSS,)
    assert not filters.drop(hides=True).drop(hides=False)


def test_the_level_goes_round() -> None:
    filters = LogFilters((LOSS,)).cycle_level()
    assert filters.filters == (LOSS, WARNINGS_AND_ERRORS)
    assert filters.cycle_level().filters == (LOSS, ERRORS_ONLY)
    assert filters.cycle_level().cycle_level().filters == (LOSS,)
    assert filters.add(ERRORS_ONLY).filters == (LOSS, ERRORS_ONLY)


def test_the_context_is_bounded_and_needs_lines_that_are_kept() -> None:
    filters = LogFilters((LOSS,)).set_context(1000)
    assert filters.context == MOST_CONTEXT
    assert filters.set_context(-1).context == 0
    assert filters.to_json()["context"] == MOST_CONTEXT
    assert LogFilters((DEBUG,), 3).to_json()["context"] == 0
