"""The copies of the agent in bin/, one a version, and which of them nothing needs any more."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flow_core.agent.layout import iter_tasks
from flow_core.agent.records import MalformedRecord
from flow_core.agent.spec import StoredSpec
from flow_core.agent.state import TaskState

COPY_PREFIX = "agent-"
"""How the name of a copy begins; the hash of its content follows."""

_UNUSED_S = 24 * 3600.0


def mark_used(home: Path) -> None:
    """Notes that a supervisor is about to start from this copy. Raises OSError."""
    os.utime(home)


def remove_unused_copies(root: Path, own: str) -> None:
    """Removes the copies that nobody has started from for a day and that no unfinished task names.

    `own` is the name of the copy that the caller runs from. Twice is safe, also at the same time.
    """
    old = [path for path in (root / "bin").glob(f"{COPY_PREFIX}*") if path.name != own and _is_unused(path)]
    begun = [path for path in (root / "bin").glob(f".{COPY_PREFIX}*") if _is_unused(path)]
    if not old and not begun:
        return
    import shutil  # deferred: it would take a tenth of every submit

    for path in begun:  # whoever made it was killed
        shutil.rmtree(path, ignore_errors=True)
    named = _named_by_unfinished(root)
    for path in old:
        if named is not None and path.name not in named and _is_unused(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_unused(path: Path) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > _UNUSED_S
    except OSError:
        return False


def _named_by_unfinished(root: Path) -> set[str] | None:
    """None where a task can't be read: it may need any of them."""
    named: set[str] = set()
    for task in iter_tasks(root):
        try:
            state, _ = TaskState.read_known(task.state)
            if state is None or not state.is_over:
                spec, _ = StoredSpec.read_known(task.spec)
                named.add("" if spec is None else spec.agent)
        except (MalformedRecord, OSError):
            return None
    return named
