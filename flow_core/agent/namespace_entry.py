"""Stepping into a running task's namespaces, then becoming a command there. Standard library only; runs as a process.

Arguments: "terminal" or "pipes" (what standard input is), the pid whose namespaces to enter (0 for none), the folder,
then the command.
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

# What a program in the background, or under nohup, ignores; all that it starts would, the SSH server too.
_BACK_TO_USUAL = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def main() -> None:
    how, pid, folder, *argv = sys.argv[1:]
    if how == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    exec_command(int(pid), folder, argv, os.environ)


def exec_command(pid: int, folder: str, argv: list[str], env: Mapping[str, str]) -> NoReturn:
    """Ends with 126 and a line where that can't be done."""
    restore_default_signals()
    try:
        if pid:
            _enter(pid)
        os.chdir(folder)
        os.execvpe(argv[0], list(argv), env)
    except OSError as error:
        exit_with_refusal(error)


def restore_default_signals() -> None:
    for number in _BACK_TO_USUAL:
        signal.signal(number, signal.SIG_DFL)


def exit_with_refusal(error: OSError) -> NoReturn:
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
