"""Schedules the automatic pruning of a context: once a day, by the program that checks first."""

from __future__ import annotations

import time

from flow_core.agent.layout import Layout
from flow_core.agent.locks import release, try_lock
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_json, write_json

_DAY_S = 24 * 3600.0


def claim_daily_pruning(layout: Layout) -> bool:
    """Returns whether this caller must prune now: True for one caller a day. Raises OSError.

    Never waits: returns False while a submit holds the lock.
    """
    if not layout.volumes.is_dir():
        return False
    lock = try_lock(layout.volumes_lock)
    if lock is None:
        return False
    try:
        if not _is_due(layout):
            return False
        write_json(layout.last_pruning, {"looked_at": time.time()})
        return True
    finally:
        release(lock)


def _is_due(layout: Layout) -> bool:
    """Returns whether the last pruning is a day ago, or is in the future because the clock was set back."""
    try:
        last = Fields(read_json(layout.last_pruning) or {"looked_at": 0}).moment("looked_at")
    except (MalformedRecord, ValueError):
        return True
    return not 0 <= time.time() - last < _DAY_S
