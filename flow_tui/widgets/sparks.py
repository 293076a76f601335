"""Pure: numbers as rows of block elements."""

from __future__ import annotations

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"
_FULL, _EMPTY = "▓", "░"


def spark(values: Sequence[float | None], most: float, width: int) -> str:
    """The last `width` values at the right edge, each as tall as its share of `most`. Unknown ones leave a gap."""
    shown = values[-width:] if width > 0 else ()
    return "".join(_level(value, most) for value in shown).rjust(max(0, width))


def bar(share: float | None, width: int) -> str:
    """A share of 1, filled from the left. Nothing is drawn of what isn't known."""
    if share is None:
        return " " * width
    filled = round(min(1.0, max(0.0, share)) * width)
    return _FULL * filled + _EMPTY * (width - filled)


def _level(value: float | None, most: float) -> str:
    if value is None or most <= 0:
        return " "
    return _LEVELS[min(len(_LEVELS) - 1, max(0, int(value / most * len(_LEVELS))))]
