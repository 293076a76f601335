"""Tasks that the program before this agent left on this machine, in a folder of its own. Standard library only.

It was one of sh, and kept records that nothing here reads or touches.
"""

from __future__ import annotations

import os
from typing import Any

_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def find_legacy_tasks() -> dict[str, Any]:
    """How many there are, and where; empty where there are none. Of this machine alone: a home may be shared."""
    base = os.environ.get("XDG_STATE_HOME", "")
    hosts = os.path.join(base if base.startswith("/") else os.path.expanduser("~/.local/state"), "flow", "hosts")
    count, folders = 0, []
    for name in _names():
        found = _count(os.path.join(hosts, name, "tasks"))
        if found:
            count += found
            folders.append(os.path.join(hosts, name))
    return {"count": count, "folder": _short(folders[0])} if count else {}


def _names() -> tuple[str, ...]:
    """What that program may have called its folder on this machine."""
    host = os.uname().nodename
    for path in _ID_FILES:
        try:
            with open(path, encoding="ascii") as stream:
                return (f"{host}-{stream.readline().strip()}", host)
        except (OSError, ValueError):
            continue
    return (host,)


def _short(path: str) -> str:
    home = os.path.expanduser("~").rstrip("/")
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path


def _count(folder: str) -> int:
    try:
        return sum(name.startswith("task_") for name in os.listdir(folder))
    except OSError:
        return 0
