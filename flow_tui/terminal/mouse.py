"""Encodes mouse events as the bytes that xterm sends for them."""

from __future__ import annotations

from typing import Literal

from flow_tui.terminal.core import Modes, MouseTracking

Action = Literal["press", "release", "move"]

WHEEL_UP, WHEEL_DOWN = 64, 65
NO_BUTTON = 3
_MOTION = 32
_LARGEST_LEGACY = 223


def encode_mouse(action: Action, button: int, x: int, y: int, modifiers: int, modes: Modes) -> bytes:
    """Encode an event at a cell counted from 0; empty if the program did not ask for it.

    `button` is 0 (left), 1 (middle), 2 (right), NO_BUTTON or a wheel. `modifiers` is the sum of 4 (shift), 8 (alt) and
    16 (ctrl).
    """
    if not _is_wanted(action, button, modes.mouse):
        return b""
    if modes.mouse is MouseTracking.PRESS:
        modifiers = 0
    code = button + modifiers + (_MOTION if action == "move" else 0)
    if modes.mouse_sgr:
        return f"\x1b[<{code};{x + 1};{y + 1}{'m' if action == 'release' else 'M'}".encode()
    if action == "release":
        code = NO_BUTTON + modifiers
    if max(x, y) >= _LARGEST_LEGACY:
        return b""
    return b"\x1b[M" + bytes([32 + code, 33 + x, 33 + y])


def _is_wanted(action: Action, button: int, tracking: MouseTracking) -> bool:
    if action == "press":
        return tracking >= MouseTracking.PRESS
    if action == "release":
        return tracking >= MouseTracking.CLICK
    return tracking >= (MouseTracking.MOVE if button == NO_BUTTON else MouseTracking.DRAG)
