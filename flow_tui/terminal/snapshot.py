"""The screen of a terminal as output that reproduces it."""

from __future__ import annotations

from flow_core.logs.ansi import Colour, TextStyle
from flow_tui.terminal.core import TerminalCore

_FLAGS = ("bold", 1), ("dim", 2), ("italic", 3), ("underline", 4), ("blink", 5), ("reverse", 7), ("strike", 9)


def snapshot(core: TerminalCore) -> bytes:
    """Encode the visible rows and the cursor, without the scrollback."""
    parts = ["\x1b[?1049h" if core.modes.alternate_screen else "", "\x1b[0m\x1b[2J"]
    for y in range(core.rows):
        parts.append(f"\x1b[{y + 1};1H")
        parts += [f"\x1b[{_sgr(run.style)}m{run.text}" for run in core.row(y)]
    cursor = core.cursor
    parts.append(f"\x1b[0m\x1b[{cursor.y + 1};{cursor.x + 1}H\x1b[?25{'h' if cursor.visible else 'l'}")
    return "".join(parts).encode()


def _sgr(style: TextStyle) -> str:
    codes = ["0", *(str(code) for name, code in _FLAGS if getattr(style, name))]
    codes += _color(38, style.foreground) + _color(48, style.background)
    return ";".join(codes)


def _color(introducer: int, color: Colour | None) -> list[str]:
    if color is None:
        return []
    if isinstance(color, int):
        return [f"{introducer};5;{color}"]
    return [f"{introducer};2;{color[0]};{color[1]};{color[2]}"]
