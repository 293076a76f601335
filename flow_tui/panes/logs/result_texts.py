"""The texts around the results of a search in the logs of many tasks."""

from __future__ import annotations

from collections.abc import Sequence

from flow_core.logs.escape import escape_controls
from flow_core.logs.search.log_hits import LogHits
from flow_core.models.task import TaskRecord
from flow_tui import format
from flow_tui.panes.logs.log_selection import describe_log
from flow_tui.panes.logs.search_results import SearchResults, TaskKey
from flow_tui.panes.logs.task_logs_search import MOST_TASKS
from flow_tui.widgets.log.hit_rows import HitGroup

_PATTERN_CHARACTERS = 30
_MOST_MISSING = 500


def list_results(
    found: SearchResults, tasks: Sequence[TaskRecord], *, names_context: bool
) -> tuple[list[HitGroup], list[tuple[str, str]]]:
    """Returns the logs with lines that match, and at most 500 that were not searched, each with the reason.

    They are in the order of the tasks, then by attempt and rank.
    """
    by_task: dict[TaskKey, list[LogHits]] = {}
    for result in found:
        by_task.setdefault((result.log.context, result.log.task_id), []).append(result)
    results = [(task, result) for task in tasks for result in by_task.get(task.key, ())]
    groups = [
        HitGroup(
            result.log,
            f"{_name_log(task, result, names_context=names_context)}  {format.state(task)}",
            count_lines(len(result.hits), has_more=result.is_cut),
            result.hits,
        )
        for task, result in results
        if result.hits
    ]
    missing = [
        (_name_log(task, result, names_context=names_context), result.not_searched)
        for task, result in results
        if result.not_searched
    ]
    return groups, missing[:_MOST_MISSING]


def count_lines(count: int, *, has_more: bool = False) -> str:
    return f"{count:,}{'+' if has_more else ''} {'line' if count == 1 and not has_more else 'lines'}"


def describe_tasks(count: int) -> str:
    """Returns what the search covers."""
    if count > MOST_TASKS:
        return f"the first {MOST_TASKS} of {count:,} tasks"
    return f"{count:,} {'task' if count == 1 else 'tasks'}"


def describe_found(found: SearchResults, *, is_searching: bool) -> str:
    """Returns the counts of a search, and whether it goes on."""
    pattern = escape_controls(found.query.pattern)
    if len(pattern) > _PATTERN_CHARACTERS:
        pattern = f"{pattern[: _PATTERN_CHARACTERS - 1]}…"
    logs = sum(bool(result.hits) for result in found)
    searched = f"{found.log_count:,} {'log' if found.log_count == 1 else 'logs'}"
    count = f"{count_lines(found.line_count, has_more=found.has_more)} in {logs:,} of {searched}"
    if found.is_full:
        return f"{pattern}  {count}  ended: too many lines to list"
    return f"{pattern}  {count}{'  searching…' if is_searching else ''}"


def explain_no_result(found: SearchResults | None, tasks: int, *, is_searching: bool) -> str:
    """Returns what the screen shows without results."""
    if not tasks:
        return "The tasks pane shows no task, so there is no log to search.\nClear or change its filter."
    if found is None:
        return f"Type what to find. The search covers the logs of {describe_tasks(tasks)},\nthose in the tasks pane."
    if is_searching:
        return "Searching…"
    if not found.log_count:
        return f"There is no log yet: {'the task has' if tasks == 1 else f'the {tasks:,} tasks have'} not started."
    return "No line matches."


def _name_log(task: TaskRecord, result: LogHits, *, names_context: bool) -> str:
    context = task.context if names_context else ""
    return "  ".join(filter(None, (escape_controls(task.name), context, describe_log(task, result.log))))
