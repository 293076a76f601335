"""Removes the leftovers of a crash during a submit or a delete from a context."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from flow_core.agent.layout import TRASH_PREFIX, Layout

_STAGING_PREFIX = ".new-"
# The shell exits immediately, so that the caller doesn't wait for a large tree; rm outlives this process. A task may
# leave folders without write permission even for their owner, such as the caches of some package managers.
_REMOVE_SCRIPT = '{ rm -rf -- "$@" || { find "$@" -type d -exec chmod u+rwx {} \\; ; rm -rf -- "$@"; }; } &'


def make_staging_path(path: Path) -> Path:
    """Returns the path at which a folder is built before it is renamed to `path`.

    Build and rename under the context's lock.
    """
    return path.with_name(_STAGING_PREFIX + path.name)


def make_trash_path(path: Path) -> Path:
    """Returns the path to which a folder is renamed under the context's lock, before it is removed without the lock."""
    return path.with_name(TRASH_PREFIX + path.name)


def collect_garbage(layout: Layout) -> None:
    """Starts the removal of all leftovers. Call it under the context's lock, before creating anything.

    The creator of a folder holds that lock until the folder has its final name, and a process loses the lock when it
    ends. Therefore the creator of every staging folder found here is dead. A trash folder may still have a live
    remover; two removers do no harm.
    """
    found = [*_find_leftovers(layout.tasks), *_find_leftovers(layout.volumes)]
    if found:
        subprocess.run(
            ["/bin/sh", "-c", _REMOVE_SCRIPT, "sh", *found],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )


def remove_tree(folder: Path) -> None:
    """Removes a tree that the garbage collection may be removing too."""
    while True:
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            if not folder.exists():
                return


def _find_leftovers(folder: Path) -> Iterator[str]:
    for name in os.listdir(folder):  # in a folder of many tasks this is faster than `os.scandir`
        if name.startswith((_STAGING_PREFIX, TRASH_PREFIX)):
            yield os.path.join(folder, name)
