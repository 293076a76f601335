"""Code that a client sends before it submits a task: a folder beside the tasks, which then becomes part of the task."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from flow_core.agent.layout import Layout
from flow_core.agent.private_folders import make_private_folder

_KEPT_S = 24 * 3600.0


def make_incoming(layout: Layout, task_id: str) -> Path:
    """Creates and returns the folder for the code of a task that is about to be submitted.

    Also removes code that was sent more than a day ago and never submitted. Calling it again is safe. Raises OSError.
    """
    layout.make()
    folder = layout.incoming / task_id
    _remove_expired(layout.incoming)
    make_private_folder(folder)
    return folder


def take_incoming(layout: Layout, task_id: str, destination: Path) -> None:
    """Moves the code that a client sent to `destination`. Raises OSError.

    Creates an empty folder there if no code was sent.
    """
    try:
        os.rename(layout.incoming / task_id, destination)
    except FileNotFoundError:
        destination.mkdir(mode=0o700)


def remove_incoming(layout: Layout, task_id: str) -> None:
    """Removes the code that was sent for this task. Calling it again is safe."""
    shutil.rmtree(layout.incoming / task_id, ignore_errors=True)


def mark_withdrawn(layout: Layout, task_id: str) -> None:
    """Refuses to submit this task for at least 24 h; refuses a submit that runs now too. Raises OSError."""
    layout.make()
    make_private_folder(_withdrawal_marker(layout, task_id))


def is_withdrawn(layout: Layout, task_id: str) -> bool:
    """Returns whether `mark_withdrawn` was called for this task."""
    return os.path.lexists(_withdrawal_marker(layout, task_id))


def _withdrawal_marker(layout: Layout, task_id: str) -> Path:
    return layout.incoming / f"{task_id}-withdrawn"


def _remove_expired(folder: Path) -> None:
    try:
        old = [entry.path for entry in os.scandir(folder) if time.time() - entry.stat().st_ctime > _KEPT_S]
    except OSError:
        return
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
