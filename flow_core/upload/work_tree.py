"""The git work tree that a folder lies in, found without git."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.regular_files import read_start


class WorkTree(NamedTuple):
    """`prefix` leads from the top to the folder: "" or ending in a slash."""

    top: Path
    prefix: str
    exclude: Path


def find_work_tree(folder: Path) -> WorkTree | None:
    """`folder` must be resolved."""
    for top in (folder, *folder.parents):
        common = _common_folder(top / ".git")
        if common is not None:
            below = folder.relative_to(top).as_posix()
            return WorkTree(top, "" if below == "." else f"{below}/", common / "info" / "exclude")
    return None


def _common_folder(mark: Path) -> Path | None:
    """Where the repository keeps what all its work trees share. A linked work tree has a file that names its own."""
    if os.path.isdir(mark):
        return mark if os.path.exists(mark / "HEAD") else None
    kind, _, own = _first_line(mark).partition(": ")
    if kind != "gitdir":
        return None
    git = mark.parent / own
    return git / _first_line(git / "commondir")


def _first_line(file: Path) -> str:
    try:
        return read_start(file, 4096).decode("utf-8", "surrogateescape").partition("\n")[0]
    except OSError:
        return ""
