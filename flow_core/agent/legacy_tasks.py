"""Tasks that the predecessor of this agent left on this machine, in its own folder.

The predecessor was a shell program. This module neither reads nor changes its records.
"""

from __future__ import annotations

import os
from typing import Any

_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def find_legacy_tasks() -> dict[str, Any]:
    """Returns the number of the predecessor's tasks and their folder; an empty dict if there are none.

    Counts only tasks of this machine, since several machines may share a home directory.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    hosts = os.path.join(base if base.startswith("/") else os.path.expanduser("~/.local/state"), "flow", "hosts")
    count, folders = 0, []
    for name in _folder_names():
        in_folder = _count_tasks(os.path.join(hosts, name, "tasks"))
        if in_folder:
            count += in_folder
            folders.append(os.path.join(hosts, name))
    return {"count": count, "folder": _abbreviate_home(folders[0])} if count else {}


def _folder_names() -> tuple[str, ...]:
    """Returns the names that the predecessor may have given its folder on this machine."""
    host = os.uname().nodename
    for path in _ID_FILES:
        try:
            with open(path, encoding="ascii") as stream:
                return (f"{host}-{stream.readline().strip()}", host)
        except (OSError, ValueError):
            continue
    return (host,)


def _abbreviate_home(path: str) -> str:
    home = os.path.expanduser("~").rstrip("/")
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path


def _count_tasks(folder: str) -> int:
    try:
        return sum(name.startswith("task_") for name in os.listdir(folder))
    except OSError:
        return 0
