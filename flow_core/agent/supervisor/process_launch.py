"""Starts the main process of a rank. The code after the fork never returns."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.supervisor.launch_error import LaunchError
from flow_core.agent.supervisor.namespace import Mount, enter_namespace
from flow_core.agent.supervisor.pipe_write_order import release_signals

_F_SETPIPE_SZ = 1031


class OutputChannel(NamedTuple):
    """The streams of a process: the descriptors of its streams 0, 1 and 2, and the supervisor's ends of 1 and 2.

    There is one reading end if both streams share one, and none if the process writes to a file. Reads never block.
    """

    child_fds: tuple[int, int, int]
    parent_fds: tuple[int, ...] = ()

    def close(self) -> None:
        _close(self.child_fds)
        _close(self.parent_fds)


class LaunchedProcess(NamedTuple):
    """The running main process, and the supervisor's reading ends of its streams as in `OutputChannel`."""

    pid: int
    parent_fds: tuple[int, ...]

    @property
    def stdout(self) -> int:
        return self.parent_fds[0]

    @property
    def stderr(self) -> int:
        return self.parent_fds[-1]


def open_pipes(pipe_bytes: int = 1 << 20, *, in_packets: bool = False) -> OutputChannel:
    """Opens one pipe per output stream; standard input is /dev/null. Raises OSError.

    In packet mode a read returns the bytes of one write, at most a page.
    """
    opened = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    try:
        for _ in range(2):
            opened += _open_pipe(in_packets)
    except OSError:
        _close(opened)
        raise
    null, out_read, out_write, err_read, err_write = opened
    for fd in (out_read, err_read):
        _configure_pipe(fd, pipe_bytes)
    return OutputChannel((null, out_write, err_write), (out_read, err_read))


class ProcessLaunch(NamedTuple):
    """The command to start and its environment.

    `staging` is an empty folder of the agent, required only for mounts. `restore` runs in the new process and undoes
    the supervisor's own settings. `open_channel` may raise OSError or LaunchError.
    """

    argv: Sequence[str]
    env: dict[str, str]
    working_dir: str
    mounts: Sequence[Mount] = ()
    staging: Path | None = None
    inherited_fds: Sequence[int] = ()
    open_channel: Callable[[], OutputChannel] = open_pipes
    restore: Callable[[], None] | None = None

    def start(self) -> LaunchedProcess:
        """Starts the command; returns once it runs. Raises LaunchError."""
        opened: list[int] = []
        channel = None
        try:
            channel = self.open_channel()
            opened += os.pipe()
            pid = os.fork()
        except OSError as error:
            _close(opened)
            if channel is not None:
                channel.close()
            raise LaunchError(f"can't start another process: {error.strerror}", 126) from error
        error_read, error_write = opened
        if pid == 0:
            self._exec(channel.child_fds, error_write)
        _close((*channel.child_fds, error_write))
        with open(error_read, "rb") as stream:
            error_text = stream.read().decode(errors="replace")
        if error_text:
            os.waitpid(pid, 0)
            _close(channel.parent_fds)
            code, _, message = error_text.partition(" ")
            raise LaunchError(message, int(code))
        return LaunchedProcess(pid, channel.parent_fds)

    def _exec(self, child_fds: Sequence[int], error_fd: int) -> None:
        step = "prepare the mounts"
        try:
            os.setsid()
            self._set_descriptors(child_fds)
            _restore_signals()
            if self.restore is not None:
                self.restore()
            if self.mounts and self.staging is not None:
                enter_namespace(self.mounts, self.staging)
            step = f"enter {self.working_dir}"
            os.chdir(self.working_dir)
            step = f"run {self.argv[0]!r}"
            os.execvpe(self.argv[0], list(self.argv), self.env)
        except OSError as error:
            code = 126 if error.errno == errno.EACCES else 127
            os.write(error_fd, f"{code} can't {step}: {error.strerror}".encode(errors="replace"))
        finally:
            os._exit(127)

    def _set_descriptors(self, child_fds: Sequence[int]) -> None:
        for target, fd in enumerate(child_fds):
            os.dup2(fd, target)
        for fd in self.inherited_fds:
            os.set_inheritable(fd, True)


def describe_exit(status: int) -> tuple[int, str]:
    """Returns (exit code, message) of a wait status; a signal counts as 128 + its number."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status), ""
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return 128 + number, f"killed by {name}"


def _restore_signals() -> None:
    """Restores the signals that Python ignores; the command must get their defaults."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    release_signals()


def _close(fds: Sequence[int]) -> None:
    for fd in set(fds):
        os.close(fd)


def _open_pipe(in_packets: bool) -> tuple[int, int]:
    if in_packets and sys.platform == "linux":
        try:
            return os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a Linux, or an emulation of it, without packet mode
                raise
    return os.pipe()


def _configure_pipe(read: int, pipe_bytes: int) -> None:
    """Widens a pipe and makes its reads non-blocking."""
    try:
        fcntl.fcntl(read, _F_SETPIPE_SZ, pipe_bytes)
    except OSError:
        pass  # a narrow pipe is only slower
    os.set_blocking(read, False)
