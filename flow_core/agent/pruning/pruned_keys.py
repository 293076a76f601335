"""The idempotency keys of pruned tasks: a submit with one of them must not run a second time."""

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
    """What stays known of a pruned task. Every field is empty, or None, where its record can't be read."""

    task_id: str = ""
    status: str = ""
    ended_at: float | None = None


def get_key(spec: StoredSpec) -> str | None:
    """The idempotency key that a task was submitted with."""
    key = spec.config.get("idempotency_key")
    return key if isinstance(key, str) else None


def remember_key(layout: Layout, key: str, task: EndedTask) -> None:
    """Call it before the task goes, under the context's lock. Twice is safe. Raises OSError."""
    make_private_folder(layout.pruned)
    data = {"task_id": task.task_id, "status": task.status, "ended_at": task.ended_at, "pruned_at": time.time()}
    write_json(_record(layout, key), {"idempotency_key": key, **data})


def find_key(layout: Layout, key: str) -> PrunedTask | None:
    """The pruned task that had this key; None without one. Raises OSError."""
    try:
        data = read_json(_record(layout, key))
        if data is None:
            return None
        fields = Fields(data)
        return PrunedTask(fields.text("task_id"), fields.text("status"), fields.moment("ended_at"))
    except (MalformedRecord, ValueError):
        return PrunedTask()  # there was one: running again would be worse than refusing


def _record(layout: Layout, key: str) -> Path:
    return layout.pruned / (hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32] + ".json")
