"""The entries of a task's `data/` that hold its downloads, and their removal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import MalformedRecord, read_json

STAGING = ".staging-"
"""Prefix of the folder that holds a download until it is complete."""

_REMOVE = 'rm -rf -- "$@" &'  # the shell exits immediately, so that no process waits for rm


def select_s3_mounts(mounts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the mounts whose data must be downloaded before the task starts."""
    return [mount for mount in mounts if mount.get("s3")]


def read_s3_mounts(task: TaskFolder) -> list[dict[str, Any]]:
    """Returns the mounts of a task whose data must be downloaded. Raises MalformedRecord."""
    return select_s3_mounts((read_json(task.mounts) or {}).get("mounts", []))


def make_placeholders(task: TaskFolder, mounts: Iterable[dict[str, Any]]) -> None:
    """Creates an empty entry for each download, so that the supervisor can try the mounts before the download."""
    for mount in select_s3_mounts(mounts):
        copy_path = task.copies / Path(mount["source"]).name
        make_private_folder(copy_path.parent)
        if os.path.isfile(mount["target"]) and not mount["s3"].endswith("/"):
            copy_path.touch()
        else:
            copy_path.mkdir()


def discard_downloads(task: TaskFolder) -> None:
    """Renames complete and partial downloads immediately, and removes them in the background.

    Calling it again is safe. Removes credentials too. Keeps everything else: the task may have its own files in the
    folder.
    """
    forget_credentials(task)
    moved = []
    for name in download_names(task):
        with suppress(OSError):
            os.rename(task.copies / name, task.trash_copy_path(name))
            moved.append(str(task.trash_copy_path(name)))
    if moved:
        with suppress(OSError):  # the folder has files of the task
            task.copies.rmdir()
        with suppress(OSError):  # the next garbage collection removes them
            quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
            command = ["sh", "-c", _REMOVE, "sh", *moved]
            os.waitpid(os.posix_spawn("/bin/sh", command, os.environ, file_actions=quiet, setpgroup=0), 0)


def forget_credentials(task: TaskFolder) -> None:
    """Removes the credentials of a task. Calling it again is safe."""
    with suppress(OSError):
        os.unlink(task.credentials)


def download_names(task: TaskFolder) -> frozenset[str]:
    """Returns the names in `data/` that downloads use. Empty if the record of the mounts can't be read."""
    try:
        names = [os.path.basename(str(mount["source"])) for mount in read_s3_mounts(task)]
    except (MalformedRecord, OSError, AttributeError, KeyError, TypeError):
        return frozenset()
    return frozenset(prefix + name for name in names for prefix in ("", STAGING))
