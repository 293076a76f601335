"""Parts of a task that runs on several machines: on each of them one, which starts when a client says so.

Machines know nothing of one another. A client that sees that it is the turn of every part has each take its GPUs for a
while, and then start; what was taken and not started in time is given back. Standard library only.
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
from flow_core.agent.state import TaskState

NO_PART, PART_BUSY, PART_LAPSED = "no_part", "part_busy", "part_lapsed"
NO_CLIENT = "waits for a client to be connected"
OTHER_MACHINES = "waits for its turn on its other machines"

_CLIENT_S = 45.0
_TOUCH_S = 10.0
_HOLD_MAX_S = 60.0
_TAKE_S, _LOOK_S = 8.0, 0.02
_MARGIN_S = 0.5


class StartOrder(NamedTuple):
    """What a client wants of a part: to hold its GPUs until a time of this machine's clock, and then to start."""

    by: str
    until: float
    is_go: bool

    @property
    def is_current(self) -> bool:
        now = time.time()
        return now < self.until <= now + _HOLD_MAX_S  # a clock that was set back must not hold GPUs for years


def hold_gpus(task: TaskFolder, by: str, hold_s: float, ring: Callable[[], None], progress: Callable[[], None]) -> bool:
    """True once the GPUs are held, or the part has run already; False where they can't be had now, or never.

    Twice is safe.

    Raises Refused while another client is at it.
    """
    with exclusive_lock(task.start_lock):
        order = read_order(task)
        if order is not None and order.by != by:
            raise Refused(PART_BUSY, task_id=task.task_id)
        if order is None:
            _write(task, StartOrder(by, time.time() + min(hold_s, _HOLD_MAX_S), is_go=False))
    ring()
    deadline = time.monotonic() + _TAKE_S
    while time.monotonic() < deadline:
        state = _state(task)
        if state is not None and (state.held_by == by or state.status != "pending"):
            return state.status not in ("failed", "cancelled")
        if read_order(task) is None:
            return False
        progress()
        time.sleep(_LOOK_S)
    release_gpus(task, by, ring)
    return False


def start_part(task: TaskFolder, by: str, ring: Callable[[], None]) -> None:
    """The part that was taken starts. Twice is safe. Raises Refused where it is too late for that."""
    with exclusive_lock(task.start_lock):
        state, order = _state(task), read_order(task)
        if state is not None and state.status != "pending":
            return
        if order is not None and order.by == by and order.is_go:
            return
        if order is None or order.by != by or order.until - time.time() < _MARGIN_S:
            raise Refused(PART_LAPSED, task_id=task.task_id)
        _write(task, order._replace(is_go=True))
    ring()


def release_gpus(task: TaskFolder, by: str, ring: Callable[[], None]) -> None:
    """Twice is safe; what has started goes on."""
    with exclusive_lock(task.start_lock):
        order = read_order(task)
        if order is not None and order.by == by and not order.is_go:
            remove_order(task)
    ring()


def read_order(task: TaskFolder) -> StartOrder | None:
    """None where there is none that counts."""
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
    """Call it under the lock of the part's start."""
    try:
        os.unlink(task.start)
    except OSError:
        pass


def note_client(task: TaskFolder) -> None:
    """A client that knows every part of the task is connected, and would start it."""
    now = time.time()
    try:
        if abs(now - os.stat(task.client).st_mtime) < _TOUCH_S:
            return
    except OSError:
        _make(task)
    try:
        os.utime(task.client, (now, now))  # not by the clock of a file server
    except OSError:
        pass  # the disk is full or away


def has_client(task: TaskFolder) -> bool:
    try:
        return abs(time.time() - os.stat(task.client).st_mtime) < _CLIENT_S  # a clock may have been set back
    except OSError:
        return False


def _make(task: TaskFolder) -> None:
    try:
        os.close(os.open(task.client, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError:
        pass


def _write(task: TaskFolder, order: StartOrder) -> None:
    data: dict[str, Any] = {"by": order.by, "until": order.until, "go": order.is_go}
    write_json(task.start, data)


def _state(task: TaskFolder) -> TaskState | None:
    try:
        return TaskState.read_known(task.state)[0]
    except MalformedRecord:
        return None
