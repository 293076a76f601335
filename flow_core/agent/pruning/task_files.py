"""The content of a task's folder: our files, and files that the task made there itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from flow_core.agent.file_systems import mounts, read_mountinfo
from flow_core.agent.layout import TaskFolder
from flow_core.agent.s3.staging import download_names

_RECORD = r"(?:spec|state|mounts|cancel|start|credentials)\.json"
_FILE = re.compile(rf"{_RECORD}|\.{_RECORD}\.\d+|(?:alive|start)\.lock(?:\.held)?|spare|client|supervisor\.err|env-\d+")
_ATTEMPT = re.compile(r"attempt-\d+")
_LOG = re.compile(r"rank-\d+\.(?:log|idx)")
_FOLDERS = frozenset({"volumes", "mounts", "data", "root", "work"})
_BLOCK_BYTES = 512


class FolderContent(NamedTuple):
    """`size_bytes` is the space on disk. `made` holds the relative paths that are not ours; a folder is one of them.

    `mount` is a place below where something is mounted; "" without one.
    """

    size_bytes: int
    made: tuple[str, ...]
    mount: str


def inspect_folder(
    task: TaskFolder, mount_points: Collection[str], progress: Callable[[], None] = lambda: None
) -> FolderContent:
    """Follows no link, so a volume is never looked into. Raises OSError where the folder itself can't be read."""
    size, made, copies, submitted_ns = 0, [], download_names(task), _submitted_ns(task)
    device = os.lstat(task.path).st_dev
    inside = os.path.realpath(task.path) + os.sep
    mount = next((place for place in sorted(mount_points) if place.startswith(inside)), "")
    waiting = [("", "task")]
    while waiting:
        place, kind = waiting.pop()
        progress()
        for entry, found in _entries(os.path.join(task.path, place), is_first=not place):
            name = os.path.join(place, entry.name)
            size += found.st_blocks * _BLOCK_BYTES
            below = "work" if kind == "work" and _came_along(entry, found, submitted_ns) else None
            below = below or _kind_of(kind, entry, copies)
            is_folder = entry.is_dir(follow_symlinks=False)
            if below is None:
                made.append(name + os.sep if is_folder else name)
                below = "made"
            if is_folder and found.st_dev != device:
                mount = mount or entry.path
            elif is_folder:
                waiting.append((name, below))
    return FolderContent(size, tuple(sorted(made)), mount)


def read_mount_points() -> frozenset[str]:
    """Every place where something is mounted; empty where the system has no list (a bind mount then goes unseen)."""
    try:
        return frozenset(place for place, _ in mounts(read_mountinfo()))
    except OSError:
        return frozenset()


def _entries(path: str, *, is_first: bool) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What is below. A folder of the task that can't be read counts as empty."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry, entry.stat(follow_symlinks=False)
    except OSError:
        if is_first:
            raise


def _submitted_ns(task: TaskFolder) -> int:
    """When the record of the submit was written: what lies there since before came along with the task."""
    try:
        return os.stat(task.spec).st_mtime_ns
    except OSError:
        return 0


def _came_along(entry: os.DirEntry[str], found: os.stat_result, submitted_ns: int) -> bool:
    """Code that was sent, not changed since, and what Python keeps beside it."""
    return entry.is_dir(follow_symlinks=False) or found.st_ctime_ns <= submitted_ns or entry.name.endswith(".pyc")


def _kind_of(kind: str, entry: os.DirEntry[str], copies: Collection[str]) -> str | None:
    """The kind of an entry in a folder of this kind; None for what is not ours."""
    is_file, is_link = entry.is_file(follow_symlinks=False), entry.is_symlink()
    is_folder = entry.is_dir(follow_symlinks=False)
    if kind in ("made", "copies"):
        return kind
    if kind == "task":
        return _kind_at_top(entry.name, is_file=is_file, is_folder=is_folder)
    if kind == "attempt":
        return "file" if is_file and _LOG.fullmatch(entry.name) else None
    if kind == "data":
        return "copies" if entry.name in copies else None
    if kind == "mounts" and is_folder:
        return "mounts"
    return "link" if is_link and kind in ("volumes", "mounts") else None


def _kind_at_top(name: str, *, is_file: bool, is_folder: bool) -> str | None:
    if is_file:
        return "file" if _FILE.fullmatch(name) else None
    if is_folder and _ATTEMPT.fullmatch(name):
        return "attempt"
    return name if is_folder and name in _FOLDERS else None
