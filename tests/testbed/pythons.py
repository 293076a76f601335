"""Pythons of this machine other than the one that runs the tests."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PRINT_VERSION = "import sys; print(*sys.version_info[:2])"
_NAME = re.compile(r"python3\.(\d+)$")


@cache
def pythons() -> dict[tuple[int, int], str]:
    """The interpreters found on PATH and among those of pyenv and uv, one a version."""
    found: dict[tuple[int, int], str] = {}
    for path in _candidates():
        version = _version(path)
        if version is not None:
            found.setdefault(version, str(path))
    return found


def _candidates() -> Iterator[Path]:
    for entry in filter(None, os.environ.get("PATH", "").split(":")):
        folder = Path(entry)
        if folder.name == "shims":
            yield from sorted(folder.parent.glob("versions/*/bin/python3"))
        elif folder.is_dir():
            yield from sorted(path for path in folder.glob("python3.*") if _NAME.match(path.name))
    for home in {Path.home(), *map(Path, filter(None, [os.environ.get("PYENV_ROOT")]))}:
        for place in (".pyenv/versions", "versions", ".local/share/uv/python"):
            yield from sorted(home.glob(f"{place}/*/bin/python3"))


def _version(path: Path) -> tuple[int, int] | None:
    try:
        result = subprocess.run(
            [path, "-I", "-S", "-c", _PRINT_VERSION], capture_output=True, text=True, timeout=20, check=True
        )
        major, minor = result.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
