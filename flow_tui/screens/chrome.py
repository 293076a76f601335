"""What the three rows around the panes say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from flow_core.fleet import ContextState, Fleet
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui import format
from flow_tui.key_names import written_key
from flow_tui.keymap import BY_ID, actions_of, key_for
from flow_tui.questions import Questions
from flow_tui.screens.layout import PANES
from flow_tui.widgets.bar import Piece

_TITLES = {"tasks": "Tasks", "instances": "GPUs", "volumes": "Volumes", "logs": "Logs", "shell": "Shell"}
_MUTED = "$muted"
_STALE_S = 10.0
Pieces = tuple[Piece, ...]
DEMO = Piece("DEMO", "bold reverse $warning")


def header(fleet: Fleet, questions: Questions, problems: Sequence[str], width: int) -> tuple[Pieces, Pieces]:
    """Sources at the left; what runs, the mode and the time at the right. `problems` are those of the config."""
    name = Piece("flow-tui" if width >= 100 else "flow", "bold $accent")
    chips = tuple(_chip(state, state.context.name in questions.contexts, width) for state in fleet.states)
    running = sum(task.status is TaskStatus.RUNNING for task in fleet.tasks)
    waiting = sum(task.status is TaskStatus.PENDING for task in fleet.tasks)
    mode = (Piece("READ-ONLY", "bold $warning"),) if fleet.gate.read_only else ()
    counts = Piece(f"{running} running" + (f", {waiting} waiting" if waiting else ""), _MUTED)
    time = Piece(datetime.now().strftime("%H:%M"), _MUTED)
    return (name, *chips), (*_call(fleet, questions, problems, width), *_burn(fleet), *mode, counts, time)


def _burn(fleet: Fleet) -> Pieces:
    """What all contexts cost at this moment; in colour where some of it is for commands that have ended."""
    tasks = [task for task in fleet.tasks if task.billed_usd_per_hour is not None]
    markets = [state for state in fleet.states if state.has_market]
    if not tasks and not markets:
        return ()
    burn = sum((task.billed_usd_per_hour or Decimal(0) for task in tasks), Decimal(0))
    is_wasted = any(task.is_still_billed for task in tasks)
    piece = Piece(format.hourly(burn), "bold $warning" if is_wasted else "bold" if burn else _MUTED)
    return (piece, *_doubt(markets))


def _doubt(markets: Sequence[ContextState]) -> Pieces:
    """What is wrong with the sum of all costs: it is from an earlier answer, or lacks what could not be read."""
    if any(state.answered_at is None or state.notes.get("tasks") for state in markets):
        return (Piece("+ unknown costs", "bold $warning"),)
    ages = [state.age_s for state in markets if state.error is not None and state.age_s is not None]
    return (Piece(f"as of {format.duration(max(ages))} ago", "bold $warning"),) if ages else ()


def _call(fleet: Fleet, questions: Questions, problems: Sequence[str], width: int) -> Pieces:
    """What needs the user, and the key that leads there."""
    if waiting := questions.open:
        first = escape_controls(waiting[0].told) if width >= 100 else "a host asks"
        text = first if len(waiting) == 1 else f"{len(waiting)} questions"
        return (Piece(f"{text}: press {key_for('app.attend')}", "bold $warning"),)
    if any(map(_is_wrong, fleet.states)):
        return (Piece(f"press {key_for('app.attend')} to see why", "bold $error"),)
    if problems:
        count = f"{len(problems)} config problem{'s' if len(problems) > 1 else ''}"
        return (Piece(f"{count}: press {key_for('app.attend')}", "bold $warning"),)
    return ()


def _is_wrong(state: ContextState) -> bool:
    return state.error is not None or bool(state.unreadable)


def age_of(fleet: Fleet, task: TaskRecord) -> float | None:
    """Seconds since a task was read, where it is not up to date. One missed answer is not worth a mark."""
    age_s = fleet.row_age_s(task)
    return None if age_s is None or age_s < _STALE_S else age_s


def unread(states: Iterable[ContextState], noun: str) -> str:
    """Which rows of this kind the table lacks or shows as they were; "" where it has all of them."""
    silent = [escape_controls(state.context.name) for state in states if state.error is not None]
    waiting = [
        escape_controls(state.context.name) for state in states if state.error is None and state.answered_at is None
    ]
    rows = sum(len(state.notes.get(noun, ())) for state in states)
    said = [f"{', '.join(silent)} could not be read"] if silent else []
    said += [f"{rows} of the {noun} could not be read"] if rows else []
    if said:
        return f"{'; '.join(said)}: press {key_for('app.attend')} to see why"
    return f"waiting for {', '.join(waiting)}" if waiting else ""


def _chip(state: ContextState, is_asking: bool, width: int) -> Piece:
    name = state.context.name if width >= 70 else state.context.name[:2]
    if is_asking:
        return Piece(f"{name}?", "bold $warning")
    if state.error is None and state.unreadable:
        return Piece(f"{name}! {len(state.unreadable)} unreadable", "bold $warning")
    if state.error is None:
        return Piece(f"{name}●", "$success") if state.answered_at is not None else Piece(f"{name}…", _MUTED)
    return Piece(f"{name}! {'stale ' + format.duration(state.age_s) if state.age_s else 'no answer'}", "bold $error")


def tabs(front: str, filter_text: str, width: int) -> tuple[Pieces, Pieces]:
    """The panes with their keys, and the filter of the one in front."""
    pieces = tuple(
        Piece(
            f"{BY_ID[f'app.show_{pane}'].shown_key}{' ' if width >= 70 else ''}{_TITLES[pane]}",
            "bold reverse" if pane == front else _MUTED,
        )
        for pane in PANES
    )
    return pieces, (Piece(f"/{filter_text}", "$accent"),) if filter_text else ()


def shell_footer(others: str, release_key: str) -> Pieces:
    """The one key that a shell does not get, and the sentence about the others."""
    leave = Piece(f"{written_key(release_key)} leaves", "bold $accent")
    return leave, Piece(others, _MUTED)


def footer(front: str, read_only: bool, why_not: Callable[[str], str | None]) -> Pieces:
    """The keys that matter here; those that can't act now are dim."""
    first, last = actions_of("app")[:2], actions_of("app")[2:]
    shown = [action for action in (*first, *actions_of(front), *last) if action.in_footer]
    return tuple(
        Piece(f"{action.shown_key} {action.label}", "$text-disabled" if why_not(action.id) else "$text")
        for action in shown
        if not (read_only and action.changes)
    )
