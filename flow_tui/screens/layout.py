"""Selects the panes in view for a terminal size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flow_tui.panes.pane import PaneEntry, Placement

SIZES = ("-huge", "-wide", "-medium", "-small")
_SIDES = 2  # number of SIDE panes beside one another if all panes are in view


def choose_size_class(columns: int, rows: int) -> str:
    """Returns the layout for a terminal of this size."""
    if columns >= 150 and rows >= 44:
        return "-huge"
    if columns >= 100 and rows >= 30:
        return "-wide"
    if columns >= 70 and rows >= 20:
        return "-medium"
    return "-small"


def choose_panes(panes: Sequence[PaneEntry], size: str, front: str, *, zoomed: bool, side: str) -> tuple[str, ...]:
    """Returns the names of the panes to show. `side` is the pane beside the log, if there is room for one."""
    if zoomed or size == "-small":
        return (front,)
    if size == "-huge":
        return _select_fitting(panes, front, side)
    logs, wholes = _find_placed(panes, Placement.LOG), _find_placed(panes, Placement.WHOLE)
    if size == "-wide":
        return (front,) if front in wholes else (*_find_placed(panes, Placement.MAIN), *logs, *filter(None, [side]))
    return (front,) if front in (*logs, *wholes) else (front, *logs)


def _select_fitting(panes: Sequence[PaneEntry], front: str, side: str) -> tuple[str, ...]:
    """Returns the names of all panes, with only as many SIDE and WHOLE panes as fit into the grid."""
    sides = _rotate_to(side, _find_placed(panes, Placement.SIDE))[:_SIDES]
    wholes = _rotate_to(front, _find_placed(panes, Placement.WHOLE))[:1]
    left_out = {*_find_placed(panes, Placement.SIDE), *_find_placed(panes, Placement.WHOLE)} - {*sides, *wholes}
    return tuple(pane.noun for pane in panes if pane.noun not in left_out)


def _find_placed(panes: Iterable[PaneEntry], placement: Placement) -> tuple[str, ...]:
    return tuple(pane.noun for pane in panes if pane.placement is placement)


def _rotate_to(first: str, nouns: tuple[str, ...]) -> tuple[str, ...]:
    at = nouns.index(first) if first in nouns else 0
    return nouns[at:] + nouns[:at]
