"""When a context is pruned without anybody asking for it: once a day, whichever program looks first."""

from __future__ import annotations

import time

from flow_core.agent.layout import Layout
from flow_core.agent.locks import release, try_lock
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_json, write_json

_DAY_S = 24 * 3600.0


def claim_daily_pruning(layout: Layout) -> bool:
    """True for one caller a day. Never waits: while somebody submits it is nobody's turn. Raises OSError."""
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
    """Also where the clock was set back."""
    try:
        last = Fields(read_json(layout.last_pruning) or {"looked_at": 0}).moment("looked_at")
    except (MalformedRecord, ValueError):
        return True
    return not 0 <= time.time() - last < _DAY_S
