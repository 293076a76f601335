"""Starting the task's own process. Standard library only; what runs after the fork never returns."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.supervisor.namespace import Mount, enter_namespace

_F_SETPIPE_SZ = 1031


class LaunchError(Exception):
    """The command could not be started; the text says why."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Child(NamedTuple):
    """The running main process, and the read ends of its two streams."""

    pid: int
    stdout: int
    stderr: int


class Launch(NamedTuple):
    """What to start, and where.

    `staging` is an empty folder of ours, needed for mounts only. `restore` undoes in the new process what the
    supervisor has changed for itself.
    """

    argv: Sequence[str]
    env: dict[str, str]
    working_dir: str
    mounts: Sequence[Mount] = ()
    staging: Path | None = None
    inherited_fds: Sequence[int] = ()
    pipe_bytes: int = 1 << 20
    restore: Callable[[], None] | None = None

    def start(self) -> Child:
        """Returns once the command runs. Raises LaunchError."""
        opened: list[int] = []
        try:
            for _ in range(3):
                opened += os.pipe()
            pid = os.fork()
        except OSError as error:
            _close(opened)
            raise LaunchError(f"can't start another process: {error.strerror}", 126) from error
        out_read, out_write, err_read, err_write, failed_read, failed_write = opened
        if pid == 0:
            self._become(out_write, err_write, failed_write)
        _close((out_write, err_write, failed_write))
        with open(failed_read, "rb") as stream:
            said = stream.read().decode(errors="replace")
        if said:
            os.waitpid(pid, 0)
            _close((out_read, err_read))
            code, _, message = said.partition(" ")
            raise LaunchError(message, int(code))
        for fd in (out_read, err_read):
            _prepare(fd, self.pipe_bytes)
        return Child(pid, out_read, err_read)

    def _become(self, stdout: int, stderr: int, failed: int) -> None:
        doing = "prepare the mounts"
        try:
            os.setsid()
            self._arrange_descriptors(stdout, stderr)
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

    def _arrange_descriptors(self, stdout: int, stderr: int) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        for target, fd in enumerate((null, stdout, stderr)):
            os.dup2(fd, target)
        for fd in self.inherited_fds:
            os.set_inheritable(fd, True)


def end_of(status: int) -> tuple[int, str]:
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


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _prepare(read: int, pipe_bytes: int) -> None:
    """Widens a pipe that is read without waiting."""
    try:
        fcntl.fcntl(read, _F_SETPIPE_SZ, pipe_bytes)
    except OSError:
        pass  # a narrow pipe is slower, nothing more
    os.set_blocking(read, False)
