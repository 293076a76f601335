"""The files of the agent on a machine: a copy of its program, its records, and the tasks that still run."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from testbed.waiting import wait_until

from flow_core.agent.agent_copy import provide_copy
from flow_core.agent.cancel import write_cancel_order
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_machine_id
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.refusals import Refused
from flow_core.agent.tasks import TaskStore

_ROOT = "local/machine"


def state_of(home: Path) -> Path:
    """Returns the state folder of a user with this home."""
    return home / ".local/state/flow"


def keep_agent_copy(state: Path) -> None:
    """Creates a copy of the agent with its bytecode, as an earlier use of flow on that machine leaves it.

    Its files are links to files that all these copies share: a test may replace a file, but not write into it.
    """
    root = state / "local" / get_machine_id()
    make_private_folder(root.parent)
    shutil.copytree(Path(_copy_of_agent().name, _ROOT), root, copy_function=_link_or_copy)


def end_tasks_in(state: Path) -> None:
    """Ends the tasks of every context of this state folder; returns once all have ended."""
    stores = [TaskStore(Layout(path.parents[1], path.name)) for path in state.glob("local/*/contexts/*")]
    for store in stores:
        for task in _unfinished(store):
            with suppress(OSError):
                write_cancel_order(store.get_folder(task), force=True)
    for store in stores:
        for task in _unfinished(store):
            with suppress(OSError, Refused):  # a test may have spoilt its folder
                store.cancel(task, force=True)
        wait_until(lambda store=store: not _unfinished(store))


def records_of_agent(state: Path) -> set[str]:
    """Returns the paths of all records of an agent. Locks and the agent's copy don't count: no task removes them."""
    found = state.glob("local/*/**/*")
    kept, stays = ("queue", "gpus", "ports", "reservations", "incoming"), ("counter.json", "incoming")
    return {
        str(path)
        for path in found
        if (path.is_dir() or path.parent.name in kept) and path.name not in stays and "/bin/" not in f"{path}/"
    }


def _unfinished(store: TaskStore) -> list[str]:
    """Returns the tasks that can be ended: a test may have broken the records of others."""
    return [task.task_id for task in store.list_all() if not task.report.is_over and not task.is_broken]


@cache
def _copy_of_agent() -> tempfile.TemporaryDirectory[str]:
    """Returns a state folder with a copy of the agent; it is removed with this process."""
    folder = tempfile.TemporaryDirectory(prefix="flow-agent-")
    provide_copy(Path(folder.name, _ROOT))
    return folder


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
