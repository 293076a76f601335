"""Starting supervisors, and those who clean up after a lost one. Standard library only.

`subprocess` costs as much as all the rest of a supervisor, so none of them loads this.
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
from flow_core.agent.supervisor.ranks import RANK_VARIABLES

SUPERVISOR_SILENT = "supervisor_silent"
SUPERVISOR_UNSUPPORTED = "supervisor_unsupported"
SUPERVISOR_FAILED = "supervisor_failed"
NO_PYTHON = "no_python"
PACKAGE_ROOT = str(Path(__file__).parents[2])
"""The folder that this package is imported from."""

_DEADLINE_S = 10.0
_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from flow_core.agent.supervisor.main import main; main()"
_OURS = ("TEXTUAL", "FLOW_TASK_", "FLOW_VOLUME_", "FLOW_DATA_")
_TERMINAL = frozenset({"COLUMNS", "LINES"})
_MARK = "FLOW_TASK_MARK"


def start_supervisor(task: TaskFolder, mark: str) -> None:
    """Returns once the supervisor has taken the task over.

    Refuses with SUPERVISOR_SILENT (it may be late, or stuck), SUPERVISOR_UNSUPPORTED, SUPERVISOR_FAILED, NO_PYTHON, and
    as `provide_copy` does.
    """
    env = {**build_task_environment(), _MARK: mark}
    with open(task.path / "supervisor.err", "ab", opener=private_opener) as complaints:
        process = subprocess.Popen(
            _command("run", task),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=env,
            cwd=task.path,
            start_new_session=True,
        )
    with process:
        try:
            answer = read_answer(process, time.monotonic() + _DEADLINE_S)
        except TimeoutError:
            process.kill()  # it may be stopped, and leaving this block waits for its end
            raise Refused(SUPERVISOR_SILENT, seconds=_DEADLINE_S) from None
    verdict, _, said = answer.partition(" ")
    if verdict == "unsupported":
        raise Refused(SUPERVISOR_UNSUPPORTED, said=said)
    if verdict != "ok":
        raise Refused(SUPERVISOR_FAILED, said=said)


def start_reaper(task: TaskFolder) -> None:
    """Ends what is left of a task whose supervisor is gone, in a process of its own."""
    with subprocess.Popen(
        _command("settle", task),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=build_task_environment(),
        cwd=task.path,
        start_new_session=True,
    ):
        pass  # it leaves its first process at once; nothing stays to be waited for


def build_task_environment() -> dict[str, str]:
    """Our environment, without what belongs to this terminal or to a task that we run inside of."""
    without = _TERMINAL | (RANK_VARIABLES if _MARK in os.environ else set())
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in without}


def find_python() -> str:
    """The one that runs this. Refuses with NO_PYTHON."""
    if not sys.executable:
        raise Refused(NO_PYTHON)
    return sys.executable


def read_answer(process: subprocess.Popen[bytes], deadline: float) -> str:
    """The one line that a process of ours answers on its standard output, what there is of it when it ends before.

    Raises TimeoutError at the deadline, which is a time of the monotonic clock.
    """
    stream, answer = process.stdout, b""
    while stream is not None and not answer.endswith(b"\n"):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([stream], [], [], left_s)[0]:
            raise TimeoutError
        piece = os.read(stream.fileno(), 4096)
        if not piece:
            break
        answer += piece
    return answer.decode(errors="replace").strip()


def _command(job: str, task: TaskFolder) -> list[str]:
    return [find_python(), "-I", "-S", "-c", _CODE, str(provide_copy(task.root)), job, str(task.path)]
