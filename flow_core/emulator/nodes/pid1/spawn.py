"""Spawns a process of a machine, on given descriptors or on a new terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from typing import Any

from flow_core.ssh.server.sftp_server import SftpServer
from flow_core.ssh.terminal_modes import apply_modes

_BACK_TO_USUAL = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGXFSZ),
    *(signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
)
_ERRNO = struct.Struct("i")


def spawn(request: dict[str, Any], fds: list[int]) -> tuple[int, int | None]:
    """Spawns a process; returns (pid, the terminal's other end or None). Closes the request's descriptors.

    Raises OSError.
    """
    master = None
    try:
        if "output" in request:
            fds += [os.open(os.devnull, os.O_RDONLY), *_open_log(request["output"])]
        elif request.get("terminal"):
            master, slave = _open_terminal(request)
            fds += [slave, os.dup(slave), os.dup(slave)]
        return _fork(request, fds, on_terminal=master is not None), master
    except BaseException:
        if master is not None:
            os.close(master)
        raise
    finally:
        for fd in fds:
            os.close(fd)


def _open_terminal(request: dict[str, Any]) -> tuple[int, int]:
    columns, rows = request["terminal"]
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    apply_modes(slave, {int(opcode): value for opcode, value in request["modes"].items()})
    request["env"]["SSH_TTY"] = os.ttyname(slave)
    return master, slave


def _open_log(path: str) -> tuple[int, int]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    return fd, os.dup(fd)


def _fork(request: dict[str, Any], fds: list[int], *, on_terminal: bool) -> int:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            _exec(request, fds, on_terminal)
        except OSError as error:
            os.write(write, _ERRNO.pack(error.errno or errno.EIO))
        finally:
            os._exit(127)
    os.close(write)
    with open(read, "rb", buffering=0) as stream:
        failed = stream.read(_ERRNO.size)
    if failed:
        os.waitpid(pid, 0)
        (number,) = _ERRNO.unpack(failed)
        raise OSError(number, os.strerror(number))
    return pid


def _exec(request: dict[str, Any], fds: list[int], on_terminal: bool) -> None:
    """Runs in the new process; doesn't return."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in _BACK_TO_USUAL:
        signal.signal(number, signal.SIG_DFL)
    above = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in fds]
    for target, fd in enumerate(above):
        os.dup2(fd, target)
    if on_terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.chdir(request["cwd"])
    except OSError:
        os.chdir("/")  # as sshd does if a home folder is missing
    if request.get("files_below") is not None:
        _serve_files(request["files_below"])
    os.execve(request["program"], request["argv"], request["env"])


def _serve_files(root: str) -> None:
    os.closerange(3, 256)
    try:
        SftpServer(sys.stdin.buffer, sys.stdout.buffer, root=root).serve()
    except BrokenPipeError:
        pass  # the client has gone
    finally:
        os._exit(0)
