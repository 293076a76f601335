"""Cancelling a task on a machine in any state: with a full disk, or with a supervisor that is stopped or stuck.

The order is a file, for a supervisor that does not run yet and for whoever comes after it, and a signal, which needs no
room on the disk. Standard library only.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from flow_core.agent.layout import TaskFolder
from flow_core.agent.records import MalformedRecord, write_json
from flow_core.agent.state import TaskState
from flow_core.agent.supervisor.processes import ProcessIdentity

CANCEL, CANCEL_AT_ONCE = signal.SIGUSR1, signal.SIGUSR2
_TAKE_OVER_S = 5.0
_LOOK_S = 0.02


def write_cancel_order(task: TaskFolder, *, force: bool) -> None:
    """Tells the supervisor, who need not run yet. Twice is safe.

    Raises OSError where the order can be neither written nor told to anybody.
    """
    is_told = _tell(task, force)
    try:
        if force or not task.cancel.exists():
            write_json(task.cancel, {"force": force})
    except OSError:
        if not is_told and not _tell(task, force):
            raise
    else:
        if not is_told:
            _tell(task, force)  # it may have begun after the first look, before the file


def end_stuck_supervisor(task: TaskFolder, report: Callable[[], None] = lambda: None) -> bool:
    """After an order by force: ends a supervisor that does not obey within seconds. True when one was ended.

    What it leaves behind is for whoever settles the task. `report` is called while this waits.
    """
    supervisor = _supervisor(task)
    deadline = time.monotonic() + _TAKE_OVER_S
    while supervisor is not None and supervisor.is_alive and not _is_over(task):
        if time.monotonic() >= deadline:
            return supervisor.send(signal.SIGKILL)
        report()
        time.sleep(_LOOK_S)
    return False


def _tell(task: TaskFolder, force: bool) -> bool:
    """False where there is no supervisor to hear it."""
    supervisor = _supervisor(task)
    if supervisor is None or not supervisor.send(CANCEL_AT_ONCE if force else CANCEL):
        return False
    supervisor.send(signal.SIGCONT)  # one that was stopped hears of it now
    return True


def _supervisor(task: TaskFolder) -> ProcessIdentity | None:
    try:
        state, _ = TaskState.read_known(task.state)
    except (MalformedRecord, OSError):
        return None
    return None if state is None or state.is_over else state.supervisor


def _is_over(task: TaskFolder) -> bool:
    try:
        state, _ = TaskState.read_known(task.state)
    except (MalformedRecord, OSError):
        return False
    return state is None or state.is_over
