"""Enters the namespaces of a running task, then executes a command there. Runs as a separate process.

Arguments: "terminal" or "pipes" (the kind of standard input), the pid whose namespaces to enter (0 for none), the
working directory, then the command.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import termios
from collections.abc import Mapping
from typing import NoReturn

# A program in the background, or under nohup, ignores these signals, and so would all processes that it starts, such as
# the SSH server.
_DEFAULT_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def main() -> None:
    stdin_kind, pid, folder, *argv = sys.argv[1:]
    if stdin_kind == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    exec_command(int(pid), folder, argv, os.environ)


def exec_command(pid: int, folder: str, argv: list[str], env: Mapping[str, str]) -> NoReturn:
    """Replaces this process by the command. If that fails, exits with 126 and a line on standard error."""
    restore_default_signals()
    try:
        if pid:
            _enter(pid)
        os.chdir(folder)
        os.execvpe(argv[0], list(argv), env)
    except OSError as error:
        exit_with_refusal(error)


def restore_default_signals() -> None:
    """Restores the default actions of SIGHUP, SIGINT and SIGQUIT."""
    for number in _DEFAULT_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def exit_with_refusal(error: OSError) -> NoReturn:
    """Exits with 126 and a line on standard error."""
    sys.stderr.write(f"can't enter the task: {error.strerror}\r\n")
    sys.exit(126)


def _enter(pid: int) -> None:
    handles = []
    for kind in ("user", "mnt"):
        path = f"/proc/{pid}/ns/{kind}"
        if os.readlink(path) != os.readlink(f"/proc/self/ns/{kind}"):
            handles.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    libc = ctypes.CDLL(None, use_errno=True)
    for handle in handles:
        if libc.setns(handle, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
