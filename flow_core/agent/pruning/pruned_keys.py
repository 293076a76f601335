"""The idempotency keys of pruned tasks: a submit with such a key must not run a second time."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.pruning.selection import EndedTask
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, read_json, write_json
from flow_core.agent.spec import StoredSpec


class PrunedTask(NamedTuple):
    """The facts that remain of a pruned task. Every field is empty or None if its record can't be read."""

    task_id: str = ""
    status: str = ""
    ended_at: float | None = None


def get_key(spec: StoredSpec) -> str | None:
    """Returns the idempotency key that a task was submitted with."""
    key = spec.config.get("idempotency_key")
    return key if isinstance(key, str) else None


def store_key(layout: Layout, key: str, task: EndedTask) -> None:
    """Stores the key. Call it before the task is removed, under the context's lock.

    Calling it again is safe. Raises OSError.
    """
    make_private_folder(layout.pruned)
    data = {"task_id": task.task_id, "status": task.status, "ended_at": task.ended_at, "pruned_at": time.time()}
    write_json(_record_path(layout, key), {"idempotency_key": key, **data})


def find_key(layout: Layout, key: str) -> PrunedTask | None:
    """Returns the pruned task that had this key; None if there is none. Raises OSError."""
    try:
        data = read_json(_record_path(layout, key))
        if data is None:
            return None
        fields = Fields(data)
        return PrunedTask(fields.text("task_id"), fields.text("status"), fields.moment("ended_at"))
    except (MalformedRecord, ValueError):
        return PrunedTask()  # there was such a task: refusing is better than running it again


def _record_path(layout: Layout, key: str) -> Path:
    return layout.pruned / (hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32] + ".json")
