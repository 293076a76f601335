"""The parts of a task that runs on several machines: one part per machine, started by a client.

Machines don't know of one another. A client checks that every part could start now. It then has each part hold its GPUs
for a while, and after that starts all parts. A part that isn't started in time releases its GPUs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from flow_core.agent.layout import TaskFolder
from flow_core.agent.locks import exclusive_lock
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_known, write_json
from flow_core.agent.refusals import Refused
from flow_core.agent.task_state import TaskState

NO_PART, PART_BUSY, PART_LAPSED = "no_part", "part_busy", "part_lapsed"
NO_CLIENT = "waits for a client to be connected"
OTHER_MACHINES = "waits for its other machines"

_CLIENT_TIMEOUT_S = 45.0
_TOUCH_S = 10.0
_HOLD_MAX_S = 60.0
_HOLD_TIMEOUT_S, _POLL_S = 8.0, 0.02
_START_MARGIN_S = 0.5


class StartOrder(NamedTuple):
    """A client's order to one part.

    The part holds its GPUs until a time of this machine's clock, and starts once `is_start` is true.
    """

    client: str
    until: float
    is_start: bool

    @property
    def is_current(self) -> bool:
        now = time.time()
        return now < self.until <= now + _HOLD_MAX_S  # a clock that was set back must not hold GPUs for years


def hold_gpus(
    task: TaskFolder, client: str, hold_s: float, notify: Callable[[], None], progress: Callable[[], None]
) -> bool:
    """Orders the part to hold its GPUs for at most `hold_s`; returns whether it holds them or has started already.

    Returns False if the GPUs aren't available now, or if the part has failed or was cancelled. Waits for at most 8 s.
    Calling it again is safe. Raises Refused while another client starts this part.
    """
    with exclusive_lock(task.start_lock):
        order = read_order(task)
        if order is not None and order.client != client:
            raise Refused(PART_BUSY, task_id=task.task_id)
        if order is None:
            _write_order(task, StartOrder(client, time.time() + min(hold_s, _HOLD_MAX_S), is_start=False))
    notify()
    deadline = time.monotonic() + _HOLD_TIMEOUT_S
    while time.monotonic() < deadline:
        state = _read_state(task)
        if state is not None and (state.held_by == client or state.status != "pending"):
            return state.status not in ("failed", "cancelled")
        if read_order(task) is None:
            return False
        progress()
        time.sleep(_POLL_S)
    release_gpus(task, client, notify)
    return False


def start_part(task: TaskFolder, client: str, notify: Callable[[], None]) -> None:
    """Starts the part whose GPUs are held. Calling it again is safe. Raises Refused if the hold has expired."""
    with exclusive_lock(task.start_lock):
        state, order = _read_state(task), read_order(task)
        if state is not None and state.status != "pending":
            return
        if order is not None and order.client == client and order.is_start:
            return
        if order is None or order.client != client or order.until - time.time() < _START_MARGIN_S:
            raise Refused(PART_LAPSED, task_id=task.task_id)
        _write_order(task, order._replace(is_start=True))
    notify()


def release_gpus(task: TaskFolder, client: str, notify: Callable[[], None]) -> None:
    """Orders the part to release its GPUs, unless it has started. Calling it again is safe."""
    with exclusive_lock(task.start_lock):
        order = read_order(task)
        if order is not None and order.client == client and not order.is_start:
            remove_order(task)
    notify()


def read_order(task: TaskFolder) -> StartOrder | None:
    """Returns the valid start order; None if there is none, or it has expired or is malformed."""
    try:
        data = read_known(task.start)[0]
        if data is None:
            return None
        fields = Fields(data)
        order = StartOrder(fields.text("by"), fields.moment("until"), bool(data.get("go")))
    except ValueError:
        return None
    return order if order.is_current else None


def remove_order(task: TaskFolder) -> None:
    """Removes the order. Call it under the lock of the part's start."""
    try:
        os.unlink(task.start)
    except OSError:
        pass


def note_client(task: TaskFolder) -> None:
    """Records that a client is connected that knows every part of the task and can start it."""
    now = time.time()
    try:
        if abs(now - os.stat(task.client).st_mtime) < _TOUCH_S:
            return
    except OSError:
        _create_client_file(task)
    try:
        os.utime(task.client, (now, now))  # explicit times: the clock of a file server may differ
    except OSError:
        pass  # the disk is full or unavailable


def has_client(task: TaskFolder) -> bool:
    """Returns whether a client that can start the task was connected within the last 45 s."""
    try:
        age_s = abs(time.time() - os.stat(task.client).st_mtime)  # the clock may have been set back
        return age_s < _CLIENT_TIMEOUT_S
    except OSError:
        return False


def _create_client_file(task: TaskFolder) -> None:
    try:
        os.close(os.open(task.client, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError:
        pass


def _write_order(task: TaskFolder, order: StartOrder) -> None:
    data: dict[str, Any] = {"by": order.client, "until": order.until, "go": order.is_start}
    write_json(task.start, data)


def _read_state(task: TaskFolder) -> TaskState | None:
    """Returns the state; None if it is missing or malformed."""
    try:
        return TaskState.read_known(task.state)[0]
    except MalformedRecord:
        return None
