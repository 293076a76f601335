"""Which panes are in view at which size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flow_tui.panes.pane import PaneEntry, Placement

SIZES = ("-huge", "-wide", "-medium", "-small")
_SIDES = 2  # so many fit beside one another where all panes are in view


def size_class(columns: int, rows: int) -> str:
    """The layout for a terminal of this size."""
    if columns >= 150 and rows >= 44:
        return "-huge"
    if columns >= 100 and rows >= 30:
        return "-wide"
    if columns >= 70 and rows >= 20:
        return "-medium"
    return "-small"


def panes_in_view(panes: Sequence[PaneEntry], size: str, front: str, *, zoomed: bool, side: str) -> tuple[str, ...]:
    """The nouns of the panes to show. `side` is the pane beside the log where there is room for one more."""
    if zoomed or size == "-small":
        return (front,)
    if size == "-huge":
        return _all_that_fit(panes, front, side)
    logs, wholes = _at(panes, Placement.LOG), _at(panes, Placement.WHOLE)
    if size == "-wide":
        return (front,) if front in wholes else (*_at(panes, Placement.MAIN), *logs, *filter(None, [side]))
    return (front,) if front in (*logs, *wholes) else (front, *logs)


def _all_that_fit(panes: Sequence[PaneEntry], front: str, side: str) -> tuple[str, ...]:
    """Every pane, but only as many SIDE and WHOLE panes as the grid has room for."""
    sides = _starting_with(side, _at(panes, Placement.SIDE))[:_SIDES]
    wholes = _starting_with(front, _at(panes, Placement.WHOLE))[:1]
    left_out = {*_at(panes, Placement.SIDE), *_at(panes, Placement.WHOLE)} - {*sides, *wholes}
    return tuple(pane.noun for pane in panes if pane.noun not in left_out)


def _at(panes: Iterable[PaneEntry], placement: Placement) -> tuple[str, ...]:
    return tuple(pane.noun for pane in panes if pane.placement is placement)


def _starting_with(first: str, nouns: tuple[str, ...]) -> tuple[str, ...]:
    at = nouns.index(first) if first in nouns else 0
    return nouns[at:] + nouns[:at]
