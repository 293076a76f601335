"""Which panes are in view at which size."""

from __future__ import annotations

PANES = ("tasks", "instances", "volumes", "logs", "shell")
"""In the order of their digits."""

SIZES = ("-huge", "-wide", "-medium", "-small")


def size_class(columns: int, rows: int) -> str:
    """The layout for a terminal of this size."""
    if columns >= 150 and rows >= 44:
        return "-huge"
    if columns >= 100 and rows >= 30:
        return "-wide"
    if columns >= 70 and rows >= 20:
        return "-medium"
    return "-small"


def panes_in_view(size: str, front: str, *, zoomed: bool, side: str) -> tuple[str, ...]:
    """The panes to show. `side` is what stands beside the log where there is room for one more."""
    if zoomed or size == "-small":
        return (front,)
    if size == "-huge":
        return PANES
    if size == "-wide":
        return (front,) if front == "shell" else ("tasks", "logs", side)
    return (front,) if front in ("logs", "shell") else (front, "logs")
