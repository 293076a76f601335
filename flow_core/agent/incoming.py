"""Code that a client sends before it submits: a folder beside the tasks, which the task then takes as its own.

Standard library only.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder

_KEPT_S = 24 * 3600.0


def make_incoming(layout: Layout, task_id: str) -> Path:
    """Where the code of a task that is about to be submitted goes. Twice is safe. Raises OSError.

    What was sent a day ago and never submitted is removed.
    """
    layout.make()
    folder = layout.incoming / task_id
    _sweep(layout.incoming)
    make_private_folder(folder)
    return folder


def take_incoming(layout: Layout, task_id: str, place: Path) -> None:
    """Moves what was sent to its place in the task; an empty folder where nothing was. Raises OSError."""
    try:
        os.rename(layout.incoming / task_id, place)
    except FileNotFoundError:
        place.mkdir(mode=0o700)


def remove_incoming(layout: Layout, task_id: str) -> None:
    shutil.rmtree(layout.incoming / task_id, ignore_errors=True)


def mark_withdrawn(layout: Layout, task_id: str) -> None:
    """A submit of this task that is under way, or comes late, is refused from now on. Raises OSError."""
    layout.make()
    make_private_folder(_mark_of_withdrawal(layout, task_id))


def is_withdrawn(layout: Layout, task_id: str) -> bool:
    return os.path.lexists(_mark_of_withdrawal(layout, task_id))


def _mark_of_withdrawal(layout: Layout, task_id: str) -> Path:
    return layout.incoming / f"{task_id}-withdrawn"


def _sweep(folder: Path) -> None:
    try:
        old = [entry.path for entry in os.scandir(folder) if time.time() - entry.stat().st_ctime > _KEPT_S]
    except OSError:
        return
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
