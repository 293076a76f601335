"""The volumes of a machine. They are folders, since a process can't create block devices.

A File volume is at /mnt/<name>, as on a real machine. A Block volume is at /dev/disk/by-id/virtio-<fid>: a real
machine has the device, here it is a folder, which a script can bind to the mount path (or link, if it may not bind).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from flow_core.emulator.nodes.machine_interface import MachineVolume

_BY_ID = "dev/disk/by-id"
SHARES = "var/lib/foundry/file_shares"


def place(volume: MachineVolume) -> str | None:
    """Returns the path below the machine's root; None if a name can't be a path there."""
    if volume.interface == "Block":
        return f"{_BY_ID}/virtio-{volume.fid}"
    is_usable = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", volume.name) and volume.name != "local"
    return f"mnt/{volume.name}" if is_usable else None


def binds(volumes: Iterable[MachineVolume], kept: Path) -> list[tuple[str, str, bool]]:
    """Returns (folder of the host, place, read-only) of each; `kept` holds them by fid."""
    return [(str(kept / one.fid), path, False) for one in volumes if (path := place(one))]


def write_shares(volumes: Iterable[MachineVolume], disk: Path) -> None:
    """Writes the list that the machine's `mount` reads: "fid name" of each file share that it has now."""
    rows = [f"{one.fid} {one.name}\n" for one in volumes if one.interface == "File" and place(one)]
    (disk / SHARES).write_text("".join(rows), encoding="utf-8")


def link_volumes(volumes: Iterable[MachineVolume], kept: Path, disk: Path) -> None:
    """Links the volumes, for a machine without mounts. Removes links to volumes that it no longer has."""
    for folder in (disk / "mnt", disk / _BY_ID):
        for entry in folder.iterdir():
            if entry.is_symlink() and entry.readlink().is_relative_to(kept.resolve()):
                entry.unlink()
    for volume in volumes:
        if (path := place(volume)) and not (disk / path).exists():
            (disk / path).symlink_to(kept.resolve() / volume.fid)
