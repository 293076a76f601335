"""The entry of the program: paints the last known screen, then loads the program and runs it."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False  # true for type checkers; importing typing would delay the first paint
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from flow_tui.last_screen.first_paint import HeldTerminal

_EXIT_INTERRUPTED = 130


def main() -> NoReturn:
    """Runs the dashboard and exits: 0 when the user quits, 1 after a crash, 2 if the dashboard can't start."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs the dashboard as `main` does, and returns the exit code."""
    held = None
    try:
        gc.disable()  # until the first rows are shown: what is loaded at start is never freed
        held = _paint_last_screen(argv)
        from flow_tui.program import run_program  # lazy import: it loads everything else

        return run_program(argv, held)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    finally:
        if held is not None:
            held.restore()


def _paint_last_screen(argv: Sequence[str]) -> HeldTerminal | None:
    try:
        from flow_tui.last_screen.first_paint import paint_last_screen  # lazy import: some systems have no termios
    except ModuleNotFoundError:  # the program says that it doesn't run there
        return None
    return paint_last_screen(argv)


if __name__ == "__main__":
    main()
