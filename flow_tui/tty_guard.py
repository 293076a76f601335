"""Restores the user's terminal even if this process can't: it was killed, or the terminal accepts no output."""

from __future__ import annotations

import os
import time

LEAVE = (
    "\x1b[?2026l\x1b[?2048l\x1b[?2004l\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l"
    "\x1b[?7h\x1b[<u\x1b[0m\x1b[?1049l\x1b[?25h"
)
"""Ends every mode that the dashboard uses."""

CUT_OFF = "\x18\x1b\\"
"""Ends an incomplete control sequence."""

_DONE, _LATE = b"done\n", b"late\n"
_WAIT_S, _POLL_S = 1.0, 0.001
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
    """A child process that restores the terminal after this process. It has a blocking descriptor of the terminal.

    It is started without `subprocess`, which takes longer to import than the first paint.
    """

    def __init__(self, descriptor: int) -> None:
        self._pid: int | None = None
        self._pipe: int | None = None
        reader, writer = os.pipe()
        try:
            self._pid = os.posix_spawn(
                "/bin/sh",
                ["/bin/sh", "-c", _SCRIPT, "sh", CUT_OFF + LEAVE],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, reader, 0),
                    (os.POSIX_SPAWN_DUP2, descriptor, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        except (OSError, NotImplementedError):  # too many processes: only this process restores the terminal
            os.close(writer)
        else:
            self._pipe = writer
        finally:
            os.close(reader)

    def dismiss(self) -> None:
        """Ends the child without output, because the terminal is restored already. Waits for it."""
        self._send(_DONE)
        deadline = time.monotonic() + _WAIT_S
        while self._pid is not None and time.monotonic() < deadline:
            if self._has_ended(self._pid):
                self._pid = None
            else:
                time.sleep(_POLL_S)

    def leave_it(self) -> None:
        """Makes the child restore the terminal as soon as it accepts output, even after this process has ended."""
        self._send(_LATE)

    def _send(self, how: bytes) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        try:
            os.write(pipe, how)
        except OSError:  # the child was killed
            pass
        os.close(pipe)

    def _has_ended(self, pid: int) -> bool:
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return True
