"""The copies that a task's mounts are made of: their place in its folder, and their end. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_json

LIST, PARTS = ".list-", ".parts-"
"""How the names begin of what lies beside a copy while it is fetched."""

# The shell leaves at once, so that nobody waits for a large tree, and rm outlives us.
_REMOVE = 'rm -rf -- "$@" &'


def copies_among(mounts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are fetched before the task starts."""
    return [mount for mount in mounts if mount.get("s3")]


def make_room(task: TaskFolder, mounts: Iterable[dict[str, Any]]) -> None:
    """An empty entry for each copy, so that mounting it can be tried before it is there."""
    for mount in copies_among(mounts):
        place = task.copies / Path(mount["source"]).name
        make_private_folder(place.parent)
        if os.path.isfile(mount["target"]) and not mount["s3"].endswith("/"):
            place.touch()
        else:
            place.mkdir()


def discard(task: TaskFolder) -> None:
    """Takes the copies away, whole or half made: out of sight at once, from the disk soon. Twice is safe.

    Keys that were sent for the fetch go too. Nothing else is touched: a task may keep files of its own there.
    """
    forget_credentials(task)
    doomed = [str(task.trash_copy_path(name)) for name in names_of_copies(task) if _put_aside(task, name)]
    if not doomed:
        return
    try:
        task.copies.rmdir()
    except OSError:
        pass  # the task has something there
    try:
        _remove(doomed)
    except OSError:
        pass  # the next sweep has to do it: the task's end is told in any case


def forget_credentials(task: TaskFolder) -> None:
    """Twice is safe."""
    try:
        os.unlink(task.credentials)
    except OSError:
        pass


def names_of_copies(task: TaskFolder) -> frozenset[str]:
    """The entries of `data/` that copies may have; none where the record of the mounts can't be read."""
    try:
        mounts = (read_json(task.mounts) or {}).get("mounts", [])
        names = [os.path.basename(str(one["source"])) for one in copies_among(mounts)]
        return frozenset(prefix + name for name in names for prefix in ("", LIST, PARTS))
    except (MalformedRecord, OSError, AttributeError, KeyError, TypeError):
        return frozenset()


def _put_aside(task: TaskFolder, name: str) -> bool:
    try:
        (task.copies / name).rename(task.trash_copy_path(name))
    except OSError:
        return False
    return True


def _remove(paths: list[str]) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        quiet = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        command = ["/bin/sh", "-c", _REMOVE, "sh", *paths]
        os.waitpid(os.posix_spawn(command[0], command, os.environ, file_actions=quiet, setpgroup=0), 0)
    finally:
        os.close(null)
