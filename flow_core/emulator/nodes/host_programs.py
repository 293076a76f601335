"""The host's programs as a machine sees them, without those that need a daemon or a driver that it lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_HIDDEN = ("docker", "podman", "nerdctl", "nvidia-smi")


def link_programs(source: Path, target: Path) -> None:
    """Links the programs of the host's folder into `target`, with their paths as the machine sees them."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries(source):
        if not entry.name.startswith(_HIDDEN):
            (target / entry.name).symlink_to(f"/run/host{entry.path}")


def create_filtered_bin(folder: Path) -> Path | None:
    """Creates a folder that replaces /usr/bin, at the first call; returns None if nothing has to be hidden there."""
    source = Path("/usr/bin")
    if not folder.is_dir():
        if not any(entry.name.startswith(_HIDDEN) for entry in entries(source)):
            return None
        link_programs(source, folder)
        folder.chmod(0o755)
    return folder


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields the entries sorted by name; an unreadable folder counts as empty."""
    try:
        with os.scandir(folder) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
