"""The texts about the filters of a log."""

from __future__ import annotations

from flow_core.logs.filtered.filtered_log import FilterProgress
from flow_core.logs.filtered.line_filter import ERRORS_ONLY, LineFilter, LogFilters
from flow_core.logs.search.query import SearchQuery
from flow_tui.panes.logs.filter_texts import describe_filters, describe_kept


def test_the_filters_are_named() -> None:
    filters = LogFilters((LineFilter(SearchQuery("loss")),)).set_context(3)
    assert describe_filters(filters) == "only loss, 3 lines around"
    filters = filters.add(LineFilter(SearchQuery(r"it\d+", literal=False))).add(ERRORS_ONLY).set_context(1)
    filters = filters.add(LineFilter(SearchQuery("[debug]"), hides=True))
    assert describe_filters(filters) == r"only loss or /it\d+/ or errors, without [debug], 1 line around"
    assert describe_filters(filters.drop(hides=False)) == "without [debug]"
    assert describe_filters(LogFilters()) == ""


def test_the_count_says_how_far_it_is() -> None:
    assert describe_kept(FilterProgress(1, 10, 10)) == "1 line"
    assert describe_kept(FilterProgress(1204, 340_000_000, 1_100_000_000)) == "1,204 lines, 340.0 MB of 1.1 GB filtered"
