"""The size and the foreground group of a pseudo terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios


def set_terminal_size(terminal_fd: int, columns: int, rows: int) -> None:
    """Sets the size; its programs get SIGWINCH. Has no effect after the end of the terminal."""
    try:
        fcntl.ioctl(terminal_fd, termios.TIOCSWINSZ, struct.pack("HHHH", max(rows, 1), max(columns, 1), 0, 0))
    except OSError as error:
        if error.errno not in (errno.EIO, errno.ENOTTY, errno.EBADF):
            raise


def get_foreground_group(terminal_fd: int) -> int:
    """Returns the process group that gets the keys; 0 if there is none."""
    try:
        return os.tcgetpgrp(terminal_fd)
    except OSError:
        return 0
