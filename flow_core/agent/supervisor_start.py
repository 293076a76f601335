"""Starts supervisors, and the processes that clean up after a lost supervisor.

Supervisors don't load this module: importing `subprocess` takes as long as the rest of a supervisor's start.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.layout import TaskFolder
from flow_core.agent.private_folders import private_opener
from flow_core.agent.refusals import Refused
from flow_core.agent.supervisor.rank_environment import RANK_VARIABLES

SUPERVISOR_SILENT = "supervisor_silent"
SUPERVISOR_UNSUPPORTED = "supervisor_unsupported"
SUPERVISOR_FAILED = "supervisor_failed"
NO_PYTHON = "no_python"
PACKAGE_ROOT = str(Path(__file__).parents[2])
"""The folder that this package is imported from."""

_DEADLINE_S = 10.0
# Without the garbage collector the imports take a tenth less time; main() turns it on again.
_CODE = (
    "import gc, sys; gc.disable(); sys.path.insert(0, sys.argv.pop(1));"
    " from flow_core.agent.supervisor.main import main; main()"
)
_TASK_PREFIXES = ("TEXTUAL", "FLOW_TASK_", "FLOW_VOLUME_", "FLOW_DATA_")
_TERMINAL_VARIABLES = frozenset({"COLUMNS", "LINES"})
_MARK = "FLOW_TASK_MARK"


class SupervisorStart:
    """A process that loads the program of a supervisor and then waits for the order to take over its task.

    Every submit waits for a supervisor, so start the process before you write the task's records. It uses `folder`,
    which becomes the task's folder. If this process ends without the order, that process ends too. Refuses with
    NO_PYTHON and with the codes of `provide_copy`; raises OSError.
    """

    def __init__(self, task: TaskFolder, folder: Path, mark: str) -> None:
        with open(folder / "supervisor.err", "ab", opener=private_opener) as errors:
            self._process = subprocess.Popen(
                _command("run", task),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**build_task_environment(), _MARK: mark},
                cwd=folder,
                start_new_session=True,
            )

    def take_over(self) -> None:
        """Gives the order; returns once the supervisor has taken over the task.

        Refuses with SUPERVISOR_SILENT (it may be late or stuck), SUPERVISOR_UNSUPPORTED, SUPERVISOR_FAILED.
        """
        with self._process as process:
            try:
                _give_order(process)
                answer = read_answer(process, time.monotonic() + _DEADLINE_S)
            except TimeoutError:
                process.kill()  # it may be stopped, and the end of this block waits for its exit
                raise Refused(SUPERVISOR_SILENT, seconds=_DEADLINE_S) from None
        result, _, text = answer.partition(" ")
        if result == "unsupported":
            raise Refused(SUPERVISOR_UNSUPPORTED, said=text)
        if result != "ok":
            raise Refused(SUPERVISOR_FAILED, said=text)

    def abandon(self) -> None:
        """Lets the process end without the order. Calling it again is safe, also after `take_over`."""
        with self._process:
            pass  # closes its input


def start_supervisor(task: TaskFolder, mark: str) -> None:
    """Starts the supervisor of a task that exists. Refuses as `SupervisorStart` does."""
    SupervisorStart(task, task.path, mark).take_over()


def start_reaper(task: TaskFolder) -> None:
    """Starts a process that ends the remaining processes of a task whose supervisor has died."""
    with subprocess.Popen(
        _command("reap", task),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=build_task_environment(),
        cwd=task.path,
        start_new_session=True,
    ):
        pass  # the process forks immediately and its parent exits, so this wait is short


def build_task_environment() -> dict[str, str]:
    """Returns this process's environment without the variables of its terminal, or of a task that it runs inside of."""
    excluded = _TERMINAL_VARIABLES | (RANK_VARIABLES if _MARK in os.environ else set())
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_TASK_PREFIXES) and name not in excluded
    }


def find_python() -> str:
    """Returns the Python that runs this program. Refuses with NO_PYTHON."""
    if not sys.executable:
        raise Refused(NO_PYTHON)
    return sys.executable


def read_answer(process: subprocess.Popen[bytes], deadline: float) -> str:
    """Returns the one line that a started process writes to its standard output.

    Returns a partial line if the process ends early. Raises TimeoutError at the deadline, which is a time of the
    monotonic clock.
    """
    stream, answer = process.stdout, b""
    while stream is not None and not answer.endswith(b"\n"):
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or not select.select([stream], [], [], remaining_s)[0]:
            raise TimeoutError
        chunk = os.read(stream.fileno(), 4096)
        if not chunk:
            break
        answer += chunk
    return answer.decode(errors="replace").strip()


def _give_order(process: subprocess.Popen[bytes]) -> None:
    """Writes the byte for which the process waits; it may have ended early, then its answer is empty."""
    try:
        if process.stdin is not None:
            process.stdin.write(b"\n")
            process.stdin.close()
    except BrokenPipeError:
        pass


def _command(job: str, task: TaskFolder) -> list[str]:
    return [find_python(), "-I", "-S", "-c", _CODE, str(provide_copy(task.root)), job, str(task.path)]
