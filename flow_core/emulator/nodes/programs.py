"""The host's programs as a machine sees them, without those that need a daemon or a driver that it lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_HIDDEN = ("docker", "podman", "nerdctl", "nvidia-smi")


def link_programs(source: Path, target: Path) -> None:
    """Links below `target`, for a machine's eyes, to where it finds the host's own folder."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries(source):
        if not entry.name.startswith(_HIDDEN):
            (target / entry.name).symlink_to(f"/run/host{entry.path}")


def create_filtered_bin(folder: Path) -> Path | None:
    """A folder to stand for /usr/bin, made when first asked for; None where nothing is to be hidden there."""
    source = Path("/usr/bin")
    if not folder.is_dir():
        if not any(entry.name.startswith(_HIDDEN) for entry in entries(source)):
            return None
        link_programs(source, folder)
        folder.chmod(0o755)
    return folder


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Sorted by name; none for a folder that can't be read: what the host hasn't got, a machine hasn't either."""
    try:
        with os.scandir(folder) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
