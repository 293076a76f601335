"""Restores the user's terminal, also when this process can't: it was killed, or the terminal accepts no output."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import IO

LEAVE = (
    "\x1b[?2026l\x1b[?2048l\x1b[?2004l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l"
    "\x1b[?7h\x1b[<u\x1b[0m\x1b[?1049l\x1b[?25h"
)
"""Ends every mode that the dashboard uses."""

CUT_OFF = "\x18\x1b\\"
"""Ends a sequence of which the terminal got only the beginning."""

_DONE, _LATE = b"done\n", b"late\n"
_WAIT_S = 1.0
# A process of its own session, so that what ends this process does not end it. It waits in `read` until this process
# says how it ended, or is gone. It ends by itself when the terminal is closed.
_SCRIPT = """
how=
read -r how
[ "$how" = done ] && exit 0
[ "$how" = late ] || stty sane <&1
printf '%s' "$1"
"""


class TtyGuard:
    """A child process that restores the terminal after this process. It has its own blocking copy of the terminal."""

    def __init__(self, descriptor: int) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "sh", CUT_OFF + LEAVE],
                stdin=subprocess.PIPE,
                stdout=descriptor,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:  # no more processes are allowed: the terminal is restored in the ordinary way only
            return

    def dismiss(self) -> None:
        """The terminal is restored. Waits for the child, which has nothing to do any more."""
        self._say(_DONE)
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_WAIT_S)

    def leave_it(self) -> None:
        """The child restores the terminal as soon as that accepts output, after this process has ended."""
        self._say(_LATE)

    def _say(self, how: bytes) -> None:
        pipe: IO[bytes] | None = self._process.stdin if self._process is not None else None
        if pipe is None or pipe.closed:
            return
        with suppress(OSError):  # the child was killed
            os.write(pipe.fileno(), how)
        pipe.close()
