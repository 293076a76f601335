"""Cancels a task on a machine in any state: with a full disk, or with a supervisor that is stopped or stuck.

The cancel order consists of a file and a signal. The file reaches a supervisor that doesn't run yet, and the process
that cleans up after it. The signal needs no room on the disk.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from flow_core.agent.layout import TaskFolder
from flow_core.agent.processes.tree import ProcessIdentity
from flow_core.agent.records import MalformedRecord, write_json
from flow_core.agent.task_state import TaskState

CANCEL, CANCEL_AT_ONCE = signal.SIGUSR1, signal.SIGUSR2
_OBEY_S = 5.0
_POLL_S = 0.02


def write_cancel_order(task: TaskFolder, *, force: bool) -> None:
    """Orders the supervisor to cancel its task; it may not run yet. Calling it again is safe.

    Raises OSError if neither the file could be written nor a signal sent.
    """
    is_sent = _send_order(task, force)
    try:
        if force or not task.cancel.exists():
            write_json(task.cancel, {"force": force})
    except OSError:
        if not is_sent and not _send_order(task, force):
            raise
    else:
        if not is_sent:
            _send_order(task, force)  # the supervisor may have started between the first signal and the file


def end_stuck_supervisor(task: TaskFolder, progress: Callable[[], None] = lambda: None) -> bool:
    """Kills a supervisor that doesn't obey a forced order within 5 s. Returns whether it was killed.

    The process that reaps the task cleans up the rest. `progress` is called while this waits.
    """
    supervisor = _supervisor(task)
    deadline = time.monotonic() + _OBEY_S
    while supervisor is not None and supervisor.is_alive and not _is_over(task):
        if time.monotonic() >= deadline:
            return supervisor.send(signal.SIGKILL)
        progress()
        time.sleep(_POLL_S)
    return False


def _send_order(task: TaskFolder, force: bool) -> bool:
    """Sends the signal; returns False if no supervisor runs."""
    supervisor = _supervisor(task)
    if supervisor is None or not supervisor.send(CANCEL_AT_ONCE if force else CANCEL):
        return False
    supervisor.send(signal.SIGCONT)  # a stopped process handles the signal once it continues
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
