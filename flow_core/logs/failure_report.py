"""Why a task failed, as its logs tell it."""

from __future__ import annotations

from dataclasses import dataclass

from flow_core.logs.log_id import LogId


@dataclass(frozen=True, slots=True)
class FailureCause:
    """What a failure began with. `kind` is a short name of it, and `summary` one sentence.

    `log` contains the line at `offset`, and the traceback that begins at `traceback`, if there is one. `rank` is the
    rank that failed; it may have written to the log of another rank.
    """

    kind: str
    summary: str
    rank: int
    log: LogId
    offset: int
    traceback: int | None = None


@dataclass(frozen=True, slots=True)
class FailureReport:
    """The cause of the failure of one attempt, or None if none was found in `read`.

    `not_read` are the logs that did not arrive in time, or not completely. If `is_complete` is false, only the ends of
    long logs were read.
    """

    cause: FailureCause | None
    read: tuple[LogId, ...]
    not_read: tuple[LogId, ...] = ()
    is_complete: bool = True
