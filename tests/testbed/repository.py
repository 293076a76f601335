"""Folders to upload from, in a real git repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from flow_core.upload.file_walk import FileWalk
from flow_core.upload.git_work_tree import find_work_tree

_QUIET = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
_AUTHOR = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """A git work tree."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, below: str = "") -> bytes:
        command = ["git", *_AUTHOR, *arguments]
        return subprocess.run(
            command, cwd=self.path / below, env={**os.environ, **_QUIET}, check=True, capture_output=True, timeout=60
        ).stdout

    def commit(self, message: str = "a step") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").decode().strip()

    def listed(self, below: str = "") -> set[str]:
        """The existing files that are tracked, or untracked and not ignored."""
        found = self.git("ls-files", "-z", "--others", "--cached", "--exclude-standard", below=below)
        paths = (os.fsdecode(path) for path in found.split(b"\0") if path)
        return {path for path in paths if os.path.lexists(self.path / below / path)}


def write(top: Path, files: dict[str, str | bytes]) -> None:
    for path, content in files.items():
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def selection(source: Path, kept: tuple[str, ...] = ()) -> FileWalk:
    """The walk of an upload; `kept` are the paths that are sent although a rule matches them."""
    return FileWalk(source.resolve(), find_work_tree(source.resolve()), kept)


def selected(source: Path, kept: tuple[str, ...] = ()) -> list[str]:
    """The paths that an upload would send, in its order."""
    return [entry.path for entries in selection(source, kept).folders() for entry in entries]


def tree(top: Path) -> dict[str, str]:
    """Every file and link below a folder with its content, without the upload's manifest."""
    found: dict[str, str] = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = Path(folder, name)
            if name != ".flow-sync.json":
                key = path.relative_to(top).as_posix()
                found[key] = f"-> {path.readlink()}" if path.is_symlink() else path.read_bytes().decode("latin-1")
    for folder, names, _ in os.walk(top):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink():
                found[path.relative_to(top).as_posix()] = f"-> {path.readlink()}"
    return found
