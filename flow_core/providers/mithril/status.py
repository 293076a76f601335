"""What the words of the API mean for a task. The command's own end is not among them: see `ends`."""

from __future__ import annotations

from collections.abc import Sequence

from flow_core.models.task import TaskStatus

_OF_INSTANCE = {
    "NEW": TaskStatus.PENDING,
    "CONFIRMED": TaskStatus.PENDING,
    "INITIALIZING": TaskStatus.PENDING,
    "STARTING": TaskStatus.PENDING,
    "RUNNING": TaskStatus.RUNNING,
    "RELOCATING": TaskStatus.PREEMPTING,
    "PREEMPTING": TaskStatus.PREEMPTING,
    "PAUSED": TaskStatus.PAUSED,
    "ERROR": TaskStatus.FAILED,
    "STOPPING": TaskStatus.CANCELLED,
    "TERMINATED": TaskStatus.CANCELLED,
    "PREEMPTED": TaskStatus.CANCELLED,
    "REPLACED": TaskStatus.CANCELLED,
}
_OF_BID = {
    "OPEN": TaskStatus.PENDING,
    "ALLOCATED": TaskStatus.PENDING,
    "PREEMPTING": TaskStatus.PREEMPTING,
    "RELOCATING": TaskStatus.PREEMPTING,
    "PAUSED": TaskStatus.PAUSED,
    "TERMINATED": TaskStatus.CANCELLED,
}
# A bid of several instances is in the state of the one that is the least far.
_LEAST_FAR = (
    *(TaskStatus.FAILED, TaskStatus.PREEMPTING, TaskStatus.PAUSED),
    *(TaskStatus.PENDING, TaskStatus.CANCELLED, TaskStatus.RUNNING),
)


def status_of(bid: str, instances: Sequence[str]) -> TaskStatus:
    """The status of a task by its bid's word and those of its instances.

    An open bid waits, whatever its last instances say; else they have the word where there are any. An unknown word
    means that something is under way.
    """
    word = _plain(bid)
    if word == "OPEN":
        return TaskStatus.PENDING
    if word == "TERMINATED" and not any(_plain(one) == "RUNNING" for one in instances):
        return TaskStatus.CANCELLED
    if not instances:
        return _OF_BID.get(word, TaskStatus.PENDING)
    found = {_OF_INSTANCE.get(_plain(one), TaskStatus.PENDING) for one in instances}
    return next(status for status in _LEAST_FAR if status in found)


def _plain(word: str) -> str:
    return word.strip().upper().removeprefix("STATUS_")
