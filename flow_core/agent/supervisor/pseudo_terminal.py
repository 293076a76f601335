"""Opens a pseudo-terminal for a process whose output goes to a log.

Loaded only for such tasks.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.process_launch import OutputChannel

_ROWS, _COLUMNS = 24, 80
_OUTPUT_FLAGS = 1  # index in the list that tcgetattr returns


def open_pty() -> OutputChannel:
    """Opens a pseudo-terminal without input that changes nothing in the output. Raises LaunchError.

    It controls no session: Linux would drop unread output when the session's first process ends.
    """
    try:
        parent_fd, child_fd = os.openpty()
    except OSError as error:
        raise LaunchError(f"can't open a pseudo-terminal: {error.strerror}", 126) from error
    flags = termios.tcgetattr(child_fd)
    flags[_OUTPUT_FLAGS] &= ~termios.OPOST
    termios.tcsetattr(child_fd, termios.TCSANOW, flags)
    fcntl.ioctl(child_fd, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    os.set_blocking(parent_fd, False)
    return OutputChannel((child_fd, child_fd, child_fd), (parent_fd,))
