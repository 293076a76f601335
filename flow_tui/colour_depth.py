"""Detects how many colours the terminal shows. Imports no Textual, which reads the result while it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ColourDepth(Enum):
    """The number of colours that a terminal shows. The values are those of TEXTUAL_COLOR_SYSTEM."""

    TRUE_COLOUR = "truecolor"
    PALETTE_256 = "256"
    PALETTE_16 = "standard"


def detect_colour_depth(environ: Mapping[str, str]) -> ColourDepth:
    """Detects the colour depth from the environment. TEXTUAL_COLOR_SYSTEM, which Textual documents, comes first."""
    chosen = environ.get("TEXTUAL_COLOR_SYSTEM", "").lower()
    if chosen in {depth.value for depth in ColourDepth}:
        return ColourDepth(chosen)
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return ColourDepth.TRUE_COLOUR
    term = environ.get("TERM", "").strip().lower()
    suffix = term.rpartition("-")[2]
    if suffix == "direct":
        return ColourDepth.TRUE_COLOUR
    if suffix in ("256color", "kitty") or _terminfo_colours(term) >= 256:
        return ColourDepth.PALETTE_256
    return ColourDepth.PALETTE_16


def _terminfo_colours(term: str) -> int:
    """Returns the number of colours in terminfo, which terminals such as alacritty and foot need; 0 if unknown."""
    import curses  # lazy import: most terminals set an environment variable
    import os

    try:
        with open(os.devnull, "wb") as null:
            curses.setupterm(term, null.fileno())
        return curses.tigetnum("colors")
    except (curses.error, OSError):
        return 0
