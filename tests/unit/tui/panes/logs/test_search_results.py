"""What a search in the logs of many tasks has found, while it goes on."""

from __future__ import annotations

from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHit, LogHits
from flow_core.logs.search.query import SearchQuery
from flow_tui.panes.logs.search_results import HITS_PER_LOG, SearchResults

ONE, TWO = ("local", "task_1"), ("lab", "task_2")
LOG = LogId(*ONE)


def search_results(*results: LogHits) -> SearchResults:
    found = SearchResults(SearchQuery("x"))
    for result in results:
        found.add(result, found.list_offsets([ONE, TWO]))
    return found


def hit(offset: int, text: str = "x", after: tuple[str, ...] = ("a", "b")) -> LogHit:
    return LogHit(offset, text, ((0, 1),), (), after)


def texts(found: SearchResults) -> list[tuple[int, str]]:
    return [(one.offset, one.text) for result in found for one in result.hits]


def test_a_later_search_adds_what_is_new_and_replaces_the_last_line_that_has_grown() -> None:
    found = search_results(LogHits(LOG, (hit(0), hit(50, "x", after=())), searched=50))
    assert found.list_offsets([ONE]) == {LOG: 50}
    found.add(LogHits(LOG, (hit(50, "x grown"), hit(90)), searched=90), {LOG: 50})
    assert texts(found) == [(0, "x"), (50, "x grown"), (90, "x")]


def test_a_later_search_begins_at_a_line_whose_lines_after_it_are_not_all_known() -> None:
    found = search_results(LogHits(LOG, (hit(0), hit(20, after=("only one",))), searched=40))
    assert found.list_offsets([ONE]) == {LOG: 20}
    assert found.list_offsets([TWO]) == {}


def test_a_log_that_has_shrunk_is_searched_from_its_start() -> None:
    found = search_results(LogHits(LOG, (hit(0),), searched=500))
    found.add(LogHits(LOG, (), searched=10), {LOG: 500})
    assert (texts(found), found.list_offsets([ONE])) == ([], {LOG: 0})


def test_at_most_a_hundred_lines_of_a_log_are_listed_and_then_it_is_not_read_again() -> None:
    found = search_results(LogHits(LOG, tuple(hit(at) for at in range(60)), searched=60))
    found.add(LogHits(LOG, tuple(hit(at) for at in range(60, 160)), searched=160), {LOG: 60})
    assert (found.line_count, found.has_more) == (HITS_PER_LOG, True)
    found.finish({ONE: True}, {LOG})
    assert found.is_complete(ONE)
    found.add(LogHits(LOG, (hit(900),), searched=900), {LOG: 160})
    assert found.line_count == HITS_PER_LOG


def test_a_problem_keeps_what_was_found_before_and_ends_with_the_next_result() -> None:
    found = search_results(LogHits(LOG, (hit(0),), searched=10))
    found.add_problem([ONE, TWO], "unreachable")
    assert [(result.log, result.not_searched, len(result.hits)) for result in found] == [
        (LOG, "unreachable", 1),
        (LogId(*TWO), "unreachable", 0),
    ]
    assert (found.log_count, found.task_count) == (0, 0)
    found.add(LogHits(LOG, (), searched=10), {LOG: 10})
    rank = LogId(*TWO, rank=3)
    found.add(LogHits(rank, (hit(5),), searched=10), {})
    found.finish({ONE: False, TWO: False}, {LOG, rank})
    assert [(result.log, result.not_searched) for result in found] == [(LOG, ""), (rank, "")]
    assert (found.log_count, found.task_count) == (2, 2)


def test_an_ended_task_is_read_once_unless_there_is_more_to_find_or_it_runs_again() -> None:
    found = search_results(LogHits(LOG, (hit(0),), searched=10, is_cut=True), LogHits(LogId(*TWO), searched=5))
    found.finish({ONE: True, TWO: True}, {LOG, LogId(*TWO)})
    assert (found.is_complete(ONE), found.is_complete(TWO)) == (False, True)
    found.keep({ONE: True, TWO: False})
    assert not found.is_complete(TWO)


def test_tasks_that_are_not_shown_any_more_are_forgotten() -> None:
    found = search_results(LogHits(LOG, (hit(0),), searched=10), LogHits(LogId(*TWO), (hit(5),), searched=10))
    found.keep({TWO: True})
    assert texts(found) == [(5, "x")]
