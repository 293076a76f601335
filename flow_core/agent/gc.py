"""What a crash in the middle of a submit or a delete left lying about in a context."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from flow_core.agent.layout import TRASH_PREFIX, Layout

_UNFINISHED = ".new-"
# The shell leaves at once, so that nobody waits for a large tree, and rm outlives us.
# A task may leave folders that not even their owner may write to, as the caches of some package managers are.
_REMOVE = '{ rm -rf -- "$@" || { find "$@" -type d -exec chmod u+rwx {} \\; ; rm -rf -- "$@"; }; } &'


def staging_path(path: Path) -> Path:
    """Where a folder is made, before it is renamed to its real place. Both under the context's lock."""
    return path.with_name(_UNFINISHED + path.name)


def trash_path(path: Path) -> Path:
    """Where a folder goes in one step, under the context's lock, before it is removed without it."""
    return path.with_name(TRASH_PREFIX + path.name)


def collect_garbage(layout: Layout) -> None:
    """Has all leftovers removed, soon. Call it under the context's lock, before making anything.

    Whoever makes a folder holds that lock until the folder has its real name, and the lock ends with its
    process: what is unfinished now has a dead maker. What is doomed may have a living remover: two do no harm.
    """
    found = [*_leftovers(layout.tasks), *_leftovers(layout.volumes)]
    if found:
        subprocess.run(
            ["/bin/sh", "-c", _REMOVE, "sh", *found],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )


def remove_tree(folder: Path) -> None:
    """Removes a tree that a sweep may be removing too."""
    while True:
        try:
            shutil.rmtree(folder)
            return
        except FileNotFoundError:
            if not folder.exists():
                return


def _leftovers(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((_UNFINISHED, TRASH_PREFIX)):
                yield entry.path
