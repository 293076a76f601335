"""Finds the git work tree around a folder, without running git."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.regular_files import read_start


class WorkTree(NamedTuple):
    """A git work tree.

    `prefix` is the path from its top to the folder: "" or ending in a slash. `exclude` is its info/exclude file.
    """

    top: Path
    prefix: str
    exclude: Path


def find_work_tree(folder: Path) -> WorkTree | None:
    """Returns the work tree around `folder`, which must be resolved; None if there is none."""
    for top in (folder, *folder.parents):
        common = _common_folder(top / ".git")
        if common is not None:
            below = folder.relative_to(top).as_posix()
            return WorkTree(top, "" if below == "." else f"{below}/", common / "info" / "exclude")
    return None


def _common_folder(dot_git: Path) -> Path | None:
    """Returns the repository folder that all work trees share. A linked work tree has a `.git` file that names it."""
    if os.path.isdir(dot_git):
        return dot_git if os.path.exists(dot_git / "HEAD") else None
    kind, _, own = _first_line(dot_git).partition(": ")
    if kind != "gitdir":
        return None
    git = dot_git.parent / own
    return git / _first_line(git / "commondir")


def _first_line(file: Path) -> str:
    try:
        return read_start(file, 4096).decode("utf-8", "surrogateescape").partition("\n")[0]
    except OSError:
        return ""
