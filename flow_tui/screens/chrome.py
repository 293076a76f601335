"""What the three rows around the panes say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from flow_core.fleet import ContextState, Fleet
from flow_core.logs.visible import visible
from flow_core.models.task import TaskStatus
from flow_tui import format
from flow_tui.keymap import actions_of
from flow_tui.questions import Questions
from flow_tui.screens.layout import PANES
from flow_tui.widgets.chrome import Piece

_TITLES = {"tasks": "Tasks", "instances": "GPUs", "volumes": "Volumes", "logs": "Logs", "shell": "Shell"}
_MUTED = "$text-muted"
Pieces = tuple[Piece, ...]
DEMO = Piece("DEMO", "bold reverse $warning")


def header(fleet: Fleet, questions: Questions, width: int) -> tuple[Pieces, Pieces]:
    """Sources at the left; what runs, the mode and the time at the right."""
    name = Piece("flow-tui" if width >= 100 else "flow", "bold $accent")
    chips = tuple(_chip(state, state.context.name in questions.contexts, width) for state in fleet.states)
    running = sum(task.status is TaskStatus.RUNNING for task in fleet.tasks)
    waiting = sum(task.status is TaskStatus.PENDING for task in fleet.tasks)
    mode = Piece("READ-ONLY", "bold $warning") if fleet.gate.read_only else Piece("RW", _MUTED)
    counts = Piece(f"{running} running" + (f", {waiting} waiting" if waiting else ""), _MUTED)
    time = Piece(datetime.now().strftime("%H:%M"), _MUTED)
    return (name, *chips), (*_call(fleet, questions, width), *_burn(fleet), mode, counts, time)


def _burn(fleet: Fleet) -> Pieces:
    """What all contexts cost at this moment; in colour where some of it is for commands that have ended."""
    tasks = [task for task in fleet.tasks if task.billed_usd_per_hour is not None]
    if not tasks and not any(state.has_market for state in fleet.states):
        return ()
    burn = sum((task.billed_usd_per_hour or Decimal(0) for task in tasks), Decimal(0))
    is_wasted = any(task.still_bills for task in tasks)
    return (Piece(format.hourly(burn), "bold $warning" if is_wasted else "bold" if burn else _MUTED),)


def _call(fleet: Fleet, questions: Questions, width: int) -> Pieces:
    """What needs the user, and the key that leads there."""
    if waiting := questions.open:
        first = visible(waiting[0].told) if width >= 100 else "a host asks"
        text = first if len(waiting) == 1 else f"{len(waiting)} questions"
        return (Piece(f"{text}: ! answers", "bold $warning"),)
    return (Piece("! tells why", "bold $error"),) if any(state.error for state in fleet.states) else ()


def _chip(state: ContextState, is_asking: bool, width: int) -> Piece:
    name = state.context.name if width >= 70 else state.context.name[:2]
    if is_asking:
        return Piece(f"{name}?", "bold $warning")
    if state.error is None:
        return Piece(f"{name}●", "$success") if state.answered_at is not None else Piece(f"{name}…", _MUTED)
    return Piece(f"{name}! {'stale ' + format.duration(state.age_s) if state.age_s else 'no answer'}", "bold $error")


def tabs(front: str, filter_text: str, width: int) -> tuple[Pieces, Pieces]:
    """The panes with their digits, and the filter of the one in front."""
    pieces = tuple(
        Piece(f"{digit}{' ' if width >= 70 else ''}{_TITLES[pane]}", "bold reverse" if pane == front else _MUTED)
        for digit, pane in enumerate(PANES, start=1)
    )
    return pieces, (Piece(f"/{filter_text}", "$accent"),) if filter_text else ()


def footer(front: str, read_only: bool, why_not: Callable[[str], str | None], taker: str = "") -> Pieces:
    """The keys that matter here; those that can't act now are dim. `taker` is who gets all but one of them."""
    if taker:
        return (Piece("ctrl+] leaves", "bold $accent"), Piece(f"every other key goes to {taker}", _MUTED))
    first, last = actions_of("app")[:2], actions_of("app")[2:]
    shown = [action for action in (*first, *actions_of(front), *last) if action.in_footer]
    return tuple(
        Piece(f"{action.shown_key} {action.label}", "$text-disabled" if why_not(action.id) else "$text")
        for action in shown
        if not (read_only and action.changes)
    )
