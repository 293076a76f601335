"""The content of a task's folder: the agent's files, and files that the task itself created there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from flow_core.agent.file_systems import parse_mounts, read_mountinfo
from flow_core.agent.layout import TaskFolder
from flow_core.agent.s3.staging import download_names

_RECORD = r"(?:spec|state|mounts|cancel|start|credentials)\.json"
_FILE = re.compile(rf"{_RECORD}|\.{_RECORD}\.\d+|(?:alive|start)\.lock(?:\.held)?|spare|client|supervisor\.err|env-\d+")
_ATTEMPT = re.compile(r"attempt-\d+")
_LOG = re.compile(r"rank-\d+\.(?:log|idx)")
_FOLDERS = frozenset({"volumes", "mounts", "data", "root", "work"})
_BLOCK_BYTES = 512


class FolderContent(NamedTuple):
    """The size and the files of a task's folder.

    `size_bytes` is the space on disk. `made` contains the relative paths of files and folders that the task created.
    `mount` is a path below which something is mounted; "" if there is none.
    """

    size_bytes: int
    made: tuple[str, ...]
    mount: str


def inspect_folder(
    task: TaskFolder, mount_points: Collection[str], progress: Callable[[], None] = lambda: None
) -> FolderContent:
    """Inspects the folder. Follows no link, so it never reads a volume.

    Raises OSError if the folder itself can't be read.
    """
    size, made, copies, submitted_ns = 0, [], download_names(task), _submitted_ns(task)
    device = os.lstat(task.path).st_dev
    inside = os.path.realpath(task.path) + os.sep
    mount = next((folder for folder in sorted(mount_points) if folder.startswith(inside)), "")
    pending = [("", "task")]
    while pending:
        folder, kind = pending.pop()
        progress()
        for entry, found in _list_entries(os.path.join(task.path, folder), is_first=not folder):
            name = os.path.join(folder, entry.name)
            size += found.st_blocks * _BLOCK_BYTES
            entry_kind = "work" if kind == "work" and _is_sent_code(entry, found, submitted_ns) else None
            entry_kind = entry_kind or _find_kind(kind, entry, copies)
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry_kind is None:
                made.append(name + os.sep if is_folder else name)
                entry_kind = "made"
            if is_folder and found.st_dev != device:
                mount = mount or entry.path
            elif is_folder:
                pending.append((name, entry_kind))
    return FolderContent(size, tuple(sorted(made)), mount)


def read_mount_points() -> frozenset[str]:
    """Returns every mount point; an empty set if the system has no list (a bind mount is then not detected)."""
    try:
        return frozenset(folder for folder, _ in parse_mounts(read_mountinfo()))
    except OSError:
        return frozenset()


def _list_entries(path: str, *, is_first: bool) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """Yields the entries of a folder with their stat. A subfolder that can't be read counts as empty."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                yield entry, entry.stat(follow_symlinks=False)
    except OSError:
        if is_first:
            raise


def _submitted_ns(task: TaskFolder) -> int:
    """Returns the time at which the submit was recorded: older files came with the task."""
    try:
        return os.stat(task.spec).st_mtime_ns
    except OSError:
        return 0


def _is_sent_code(entry: os.DirEntry[str], found: os.stat_result, submitted_ns: int) -> bool:
    """Returns True for code that was sent and not changed since, and for bytecode that Python stores beside it."""
    return entry.is_dir(follow_symlinks=False) or found.st_ctime_ns <= submitted_ns or entry.name.endswith(".pyc")


def _find_kind(kind: str, entry: os.DirEntry[str], copies: Collection[str]) -> str | None:
    """Returns the kind of an entry in a folder of this kind; None if the entry isn't the agent's."""
    is_file, is_link = entry.is_file(follow_symlinks=False), entry.is_symlink()
    is_folder = entry.is_dir(follow_symlinks=False)
    if kind in ("made", "copies"):
        return kind
    if kind == "task":
        return _find_top_kind(entry.name, is_file=is_file, is_folder=is_folder)
    if kind == "attempt":
        return "file" if is_file and _LOG.fullmatch(entry.name) else None
    if kind == "data":
        return "copies" if entry.name in copies else None
    if kind == "mounts" and is_folder:
        return "mounts"
    return "link" if is_link and kind in ("volumes", "mounts") else None


def _find_top_kind(name: str, *, is_file: bool, is_folder: bool) -> str | None:
    if is_file:
        return "file" if _FILE.fullmatch(name) else None
    if is_folder and _ATTEMPT.fullmatch(name):
        return "attempt"
    return name if is_folder and name in _FOLDERS else None
