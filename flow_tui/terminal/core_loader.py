"""Chooses the terminal core: the native core if it is installed, otherwise the core in Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec

from flow_tui.terminal.core import TerminalCore

CHOICE_VARIABLE = "FLOW_TERMINAL_CORE"
CoreFactory = Callable[[int, int], TerminalCore]


def load_core() -> CoreFactory:
    """Imports the native core if it is installed and loads, otherwise the pure Python core.

    `FLOW_TERMINAL_CORE=bittty` selects the pure Python core. The native import takes about 0.2 s: call this in a
    thread, when the first shell opens.
    """
    if os.environ.get(CHOICE_VARIABLE) != "bittty" and find_spec("pyghostty") is not None:
        try:
            from flow_tui.terminal.ghostty_core import GhosttyCore
        except (ImportError, OSError):  # the library doesn't load with musl or an old glibc
            pass
        else:
            return GhosttyCore
    from flow_tui.terminal.bittty_core import BitttyCore

    return BitttyCore
