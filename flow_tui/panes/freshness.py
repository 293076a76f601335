"""Describes how fresh the rows of a pane are: their age, and which rows of a context could not be read."""

from __future__ import annotations

from flow_core.fleet import Fleet
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord
from flow_tui.services import Services

_STALE_S = 10.0


def get_stale_age_s(fleet: Fleet, task: TaskRecord) -> float | None:
    """Returns the seconds since an outdated task was read; None if it is up to date or only one answer is late."""
    age_s = fleet.row_age_s(task)
    return None if age_s is None or age_s < _STALE_S else age_s


def describe_unread(services: Services, noun: str) -> str:
    """Describes which rows of this kind are missing or outdated; "" if none are."""
    states = services.fleet.states
    silent = [escape_controls(state.context.name) for state in states if state.error is not None]
    waiting = [
        escape_controls(state.context.name) for state in states if state.error is None and state.answered_at is None
    ]
    rows = sum(len(state.notes.get(noun, ())) for state in states)
    problems = [f"{', '.join(silent)} could not be read"] if silent else []
    problems += [f"{rows} of the {noun} could not be read"] if rows else []
    if problems:
        return f"{'; '.join(problems)}: press {services.keys.written('app.attend')} to see why"
    return f"waiting for {', '.join(waiting)}" if waiting else ""
