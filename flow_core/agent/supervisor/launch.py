"""Starting the task's own process. Standard library only; what runs after the fork never returns."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.supervisor.namespace import Mount, enter_namespace
from flow_core.agent.supervisor.write_order import release_signals

_F_SETPIPE_SZ = 1031


class LaunchError(Exception):
    """The command could not be started; the text says why."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OutputChannel(NamedTuple):
    """Where a process reads and writes: what becomes its descriptors 0, 1 and 2, and the ends of 1 and 2 that we read.

    One end where both streams are one, none where the process writes to a file. Reading them never waits.
    """

    given: tuple[int, int, int]
    kept: tuple[int, ...] = ()

    def close(self) -> None:
        _close(self.given)
        _close(self.kept)


class LaunchedProcess(NamedTuple):
    """The running main process, and the ends of its streams that we read, as in its outlet."""

    pid: int
    kept: tuple[int, ...]

    @property
    def stdout(self) -> int:
        return self.kept[0]

    @property
    def stderr(self) -> int:
        return self.kept[-1]


def open_pipes(pipe_bytes: int = 1 << 20, *, in_packets: bool = False) -> OutputChannel:
    """A pipe a stream, and nothing to read. In packets, a read returns what one write wrote, a page at most.

    Raises OSError.
    """
    opened = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
    try:
        for _ in range(2):
            opened += _pipe(in_packets)
    except OSError:
        _close(opened)
        raise
    null, out_read, out_write, err_read, err_write = opened
    for fd in (out_read, err_read):
        _prepare(fd, pipe_bytes)
    return OutputChannel((null, out_write, err_write), (out_read, err_read))


class ProcessLaunch(NamedTuple):
    """What to start, and where.

    `staging` is an empty folder of ours, needed for mounts only. `restore` undoes in the new process what the
    supervisor has changed for itself. `outlet` may raise OSError or LaunchError.
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
        """Returns once the command runs. Raises LaunchError."""
        opened: list[int] = []
        outlet = None
        try:
            outlet = self.open_channel()
            opened += os.pipe()
            pid = os.fork()
        except OSError as error:
            _close(opened)
            if outlet is not None:
                outlet.close()
            raise LaunchError(f"can't start another process: {error.strerror}", 126) from error
        failed_read, failed_write = opened
        if pid == 0:
            self._become(outlet.given, failed_write)
        _close((*outlet.given, failed_write))
        with open(failed_read, "rb") as stream:
            said = stream.read().decode(errors="replace")
        if said:
            os.waitpid(pid, 0)
            _close(outlet.kept)
            code, _, message = said.partition(" ")
            raise LaunchError(message, int(code))
        return LaunchedProcess(pid, outlet.kept)

    def _become(self, given: Sequence[int], failed: int) -> None:
        doing = "prepare the mounts"
        try:
            os.setsid()
            self._arrange_descriptors(given)
            _default_signals()
            if self.restore is not None:
                self.restore()
            if self.mounts and self.staging is not None:
                enter_namespace(self.mounts, self.staging)
            doing = f"enter {self.working_dir}"
            os.chdir(self.working_dir)
            doing = f"run {self.argv[0]!r}"
            os.execvpe(self.argv[0], list(self.argv), self.env)
        except OSError as error:
            code = 126 if error.errno == errno.EACCES else 127
            os.write(failed, f"{code} can't {doing}: {error.strerror}".encode(errors="replace"))
        finally:
            os._exit(127)

    def _arrange_descriptors(self, given: Sequence[int]) -> None:
        for target, fd in enumerate(given):
            os.dup2(fd, target)
        for fd in self.inherited_fds:
            os.set_inheritable(fd, True)


def describe_exit(status: int) -> tuple[int, str]:
    """(exit code, message) of a wait status; a signal counts as 128 + its number."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status), ""
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return 128 + number, f"killed by {name}"


def _default_signals() -> None:
    """Python ignores these two; what it starts should not."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    release_signals()


def _close(fds: Sequence[int]) -> None:
    for fd in set(fds):
        os.close(fd)


def _pipe(in_packets: bool) -> tuple[int, int]:
    if in_packets and sys.platform == "linux":
        try:
            return os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a Linux, or what takes its place, without packets
                raise
    return os.pipe()


def _prepare(read: int, pipe_bytes: int) -> None:
    """Widens a pipe that is read without waiting."""
    try:
        fcntl.fcntl(read, _F_SETPIPE_SZ, pipe_bytes)
    except OSError:
        pass  # a narrow pipe is slower, nothing more
    os.set_blocking(read, False)
