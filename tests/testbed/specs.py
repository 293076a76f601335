"""What a task could have been submitted to be, for tests that need only a part of it."""

from __future__ import annotations

from typing import Any

from flow_core.agent.spec import StoredSpec


def task_spec(**fields: Any) -> StoredSpec:
    known: dict[str, Any] = {
        "name": "train",
        "command_line": "true",
        "mark": "mark",
        "working_dir": "/",
        "seq": 1,
        "created_at": 1.0,
    }
    return StoredSpec(**{**known, **fields})
