"""Keeps account of the use of the agent's copies in bin/, one per version, and removes unused ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flow_core.agent.layout import iter_tasks
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.task_state import TaskState

COPY_PREFIX = "agent-"
"""Prefix of the name of a copy; the hash of its content follows."""

_UNUSED_S = 24 * 3600.0


def mark_used(home: Path) -> None:
    """Marks this copy as used: a supervisor is about to start from it. Raises OSError."""
    os.utime(home)


def remove_unused_agent_copies(root: Path, own: str) -> None:
    """Removes copies that no process has started from for a day and that no unfinished task names.

    `own` is the name of the copy that the caller runs from. Calling it again is safe, also at the same time.
    """
    old = [path for path in (root / "bin").glob(f"{COPY_PREFIX}*") if path.name != own and _is_unused(path)]
    partial = [path for path in (root / "bin").glob(f".{COPY_PREFIX}*") if _is_unused(path)]
    if not old and not partial:
        return
    import shutil  # lazy import: the import takes a tenth of the time of every submit

    for path in partial:  # the process that wrote it was killed
        shutil.rmtree(path, ignore_errors=True)
    needed = _find_needed_copies(root)
    for path in old:
        if needed is not None and path.name not in needed and _is_unused(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_unused(path: Path) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > _UNUSED_S
    except OSError:
        return False


def _find_needed_copies(root: Path) -> set[str] | None:
    """Returns the copies that unfinished tasks name.

    Returns None if a task can't be read: it may need any of the copies.
    """
    needed: set[str] = set()
    for task in iter_tasks(root):
        try:
            state, _ = TaskState.read_known(task.state)
            if state is None or not state.is_over:
                spec, _ = StoredSpec.read_known(task.spec)
                needed.add("" if spec is None else spec.agent)
        except (MalformedRecord, OSError):
            return None
    return needed
