"""Restores the user's terminal even if this process can't: it was killed, or the terminal accepts no output."""

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
"""Ends an incomplete control sequence."""

_DONE, _LATE = b"done\n", b"late\n"
_WAIT_S = 1.0
# A process in its own session, so that signals that end this process don't end it. It waits in `read` until this
# process writes how it ended, or has exited. It exits when the terminal is closed.
_SCRIPT = """
how=
read -r how
[ "$how" = done ] && exit 0
[ "$how" = late ] || stty sane <&1
printf '%s' "$1"
"""


class TtyGuard:
    """A child process that restores the terminal after this process. It has a blocking descriptor of the terminal."""

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
        except OSError:  # too many processes: only this process restores the terminal
            return

    def dismiss(self) -> None:
        """Ends the child without output, because the terminal is restored already. Waits for it."""
        self._send(_DONE)
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_WAIT_S)

    def leave_it(self) -> None:
        """Makes the child restore the terminal as soon as it accepts output, even after this process has ended."""
        self._send(_LATE)

    def _send(self, how: bytes) -> None:
        pipe: IO[bytes] | None = self._process.stdin if self._process is not None else None
        if pipe is None or pipe.closed:
            return
        with suppress(OSError):  # the child was killed
            os.write(pipe.fileno(), how)
        pipe.close()
