"""Reads the mounts of a task from its folder."""

from __future__ import annotations

import os
from typing import Any

from flow_core.agent.layout import TaskFolder
from flow_core.agent.record_fields import Fields
from flow_core.agent.records import MalformedRecord, NewerRecord, read_known


def read_mounts(folder: TaskFolder) -> tuple[list[dict[str, Any]], str]:
    """Returns the mounts, and a sentence if a newer version may know more of them. Raises MalformedRecord."""
    data, problem = read_known(folder.mounts)
    if problem and "mounts" not in (data or {}):
        raise NewerRecord(problem, data or {})
    mounts = (data or {}).get("mounts", [])
    try:
        for mount in mounts if isinstance(mounts, list) else [mounts]:
            fields = Fields(mount)
            fields.text("target")
            if fields.optional_text("volume_id"):
                fields.text("name")
    except ValueError as error:
        raise MalformedRecord(problem or f"mounts.json does not hold mounts: {error}") from error
    return list(mounts), problem


def find_volumes(folder: TaskFolder) -> list[dict[str, Any]]:
    """Returns the volumes of a task from the links in its folder, for a task whose mount record is broken."""
    try:
        names = os.listdir(folder.links)
    except OSError:
        return []
    found = []
    for name in names:
        link = folder.links / name
        if link.is_symlink():
            volume_id = os.path.basename(os.path.dirname(os.readlink(link)))
            found.append({"volume_id": volume_id, "name": name, "target": str(link)})
    return found
