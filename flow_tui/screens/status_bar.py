"""The texts of the three rows around the panes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from flow_core.fleet import Fleet
from flow_core.fleet_state import ContextState
from flow_core.logs.escape import escape_controls
from flow_core.models.task import TaskRecord, TaskStatus
from flow_tui import format
from flow_tui.keymap import Keymap
from flow_tui.panes.registry import PANES
from flow_tui.services import Services
from flow_tui.widgets.bar import Piece

_MUTED = "$muted"
Pieces = tuple[Piece, ...]
DEMO = Piece("DEMO", "bold reverse $warning")


def build_header(services: Services, problems: Sequence[str], width: int) -> tuple[Pieces, Pieces]:
    """Returns the contexts (left), and alerts, cost, mode, counts and time (right). `problems` are the config's."""
    fleet, prompts = services.fleet, services.prompts
    name = Piece("flow-tui" if width >= 100 else "flow", "bold $accent")
    contexts = tuple(_context_piece(state, state.context.name in prompts.contexts, width) for state in fleet.states)
    tasks = fleet.tasks
    running = sum(task.status is TaskStatus.RUNNING for task in tasks)
    pending = sum(task.status is TaskStatus.PENDING for task in tasks)
    mode = (Piece("READ-ONLY", "bold $warning"),) if fleet.gate.read_only else ()
    counts = Piece(f"{running} running" + (f", {pending} pending" if pending else ""), _MUTED)
    time = Piece(datetime.now().strftime("%H:%M"), _MUTED)
    return (name, *contexts), (
        *_alert_pieces(services, problems, width),
        *_cost_pieces(fleet, tasks),
        *mode,
        counts,
        time,
    )


def _cost_pieces(fleet: Fleet, listed: Sequence[TaskRecord]) -> Pieces:
    """Returns the current cost of all contexts, in colour if commands that have ended are still billed."""
    tasks = [task for task in listed if task.billed_usd_per_hour is not None]
    markets = [state for state in fleet.states if state.has_market]
    if not tasks and not markets:
        return ()
    cost = sum((task.billed_usd_per_hour or Decimal(0) for task in tasks), Decimal(0))
    is_wasted = any(task.is_still_billed for task in tasks)
    piece = Piece(format.hourly(cost), "bold $warning" if is_wasted else "bold" if cost else _MUTED)
    return (piece, *_cost_warning(markets))


def _cost_warning(markets: Sequence[ContextState]) -> Pieces:
    """Returns why the total cost may be wrong: it is from an earlier answer, or lacks unreadable tasks."""
    if any(state.answered_at is None or state.notes.get("tasks") for state in markets):
        return (Piece("+ unknown costs", "bold $warning"),)
    ages = [state.age_s for state in markets if state.error is not None and state.age_s is not None]
    return (Piece(f"as of {format.duration(max(ages))} ago", "bold $warning"),) if ages else ()


def _alert_pieces(services: Services, problems: Sequence[str], width: int) -> Pieces:
    """Returns the most urgent problem and the key to press; empty if there is none."""
    key = services.keys.written("app.attend")
    if waiting := services.prompts.open:
        first = escape_controls(waiting[0].summary) if width >= 100 else "a host asks for your input"
        text = first if len(waiting) == 1 else f"{len(waiting)} prompts"
        return (Piece(f"{text}: press {key}", "bold $warning"),)
    if any(map(_is_wrong, services.fleet.states)):
        return (Piece(f"press {key} to see why", "bold $error"),)
    if problems:
        count = f"{len(problems)} config problem{'s' if len(problems) > 1 else ''}"
        return (Piece(f"{count}: press {key}", "bold $warning"),)
    return ()


def _is_wrong(state: ContextState) -> bool:
    return state.error is not None or bool(state.unreadable)


def _context_piece(state: ContextState, is_asking: bool, width: int) -> Piece:
    name = state.context.name if width >= 70 else state.context.name[:2]
    if is_asking:
        return Piece(f"{name}?", "bold $warning")
    if state.error is None and state.unreadable:
        return Piece(f"{name}! {len(state.unreadable)} unreadable", "bold $warning")
    if state.error is None:
        return Piece(f"{name}●", "$success") if state.answered_at is not None else Piece(f"{name}…", _MUTED)
    age = f"{format.duration(state.age_s)} old" if state.age_s else "unreachable"
    return Piece(f"{name}! {age}", "bold $error")


def build_tabs(keys: Keymap, front: str, filter_text: str, width: int) -> tuple[Pieces, Pieces]:
    """Returns the panes with their keys, and the filter of the pane in front."""
    pieces = tuple(
        Piece(
            f"{keys.short(f'app.show_{pane.noun}')}{' ' if width >= 70 else ''}{pane.title}",
            "bold reverse" if pane.noun == front else _MUTED,
        )
        for pane in PANES
    )
    return pieces, (Piece(f"/{filter_text}", "$accent"),) if filter_text else ()


def build_footer(services: Services) -> Pieces:
    """Returns the keys of the pane in front and of the dashboard. Keys that can't act now are dim."""
    keys, workspace = services.keys, services.workspace
    first, last = keys.of("app")[:2], keys.of("app")[2:]
    shown = [action for action in (*first, *keys.of(workspace.front), *last) if action.in_footer]
    return tuple(
        Piece(
            f"{keys.short(action.id)} {action.label}",
            "$text-disabled" if workspace.disabled_reason(action.id) else "$text",
        )
        for action in shown
        if not (services.is_read_only and action.changes)
    )
