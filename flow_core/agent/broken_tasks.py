"""How a task is whose record can't be read. Standard library only."""

from __future__ import annotations

import os

from flow_core.agent.layout import TaskFolder
from flow_core.agent.liveness import may_live
from flow_core.agent.records import MalformedRecord
from flow_core.agent.state import TaskState


def status_of_broken(folder: TaskFolder, *, is_newer: bool) -> str:
    """What its state says where that can be read, else what lives of it. Blocking; may look through all processes.

    Never an end while anything of it may live, since its GPUs, volumes and ports are still its own; nor where only a
    newer version (`is_newer`) can tell.
    """
    try:
        state, _ = TaskState.read_known(folder.state)
    except MalformedRecord:
        state = None
    if state is not None and state.is_final:
        return state.status
    if not is_newer and not may_live(folder):
        return "failed"
    if state is not None:
        return state.status
    has_begun = os.path.exists(folder.spool().log)  # False also where its folder is closed to us
    return "running" if has_begun else "pending"
