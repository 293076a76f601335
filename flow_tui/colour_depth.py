"""How many colours the terminal shows. Needs no Textual, which reads the answer while it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ColourDepth(Enum):
    """The values are Textual's names, as in TEXTUAL_COLOR_SYSTEM."""

    TRUE_COLOUR = "truecolor"
    PALETTE_256 = "256"
    PALETTE_16 = "standard"


def colour_depth(environ: Mapping[str, str]) -> ColourDepth:
    """What the environment says of the terminal. TEXTUAL_COLOR_SYSTEM, which Textual documents, wins."""
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
    """For terminals whose name does not say it, such as alacritty and foot; 0 where nothing is known."""
    import curses  # deferred: most terminals say it in their environment
    import os

    try:
        with open(os.devnull, "wb") as nowhere:
            curses.setupterm(term, nowhere.fileno())
        return curses.tigetnum("colors")
    except (curses.error, OSError):
        return 0
