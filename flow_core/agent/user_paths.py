"""Resolves paths that users wrote."""

from __future__ import annotations

import os
from pathlib import Path

from flow_core.agent.refusals import Refused

NO_CURRENT_FOLDER = "no_current_folder"
NO_FOLDER = "no_folder"


def resolve_path(field: str, path: str) -> Path:
    """Returns the absolute path: expands ~, and takes a relative path from the current folder. Keeps symbolic links.

    Refuses with NO_CURRENT_FOLDER if the current folder no longer exists.
    """
    try:
        return Path(os.path.expanduser(path)).absolute()
    except OSError:
        raise Refused(NO_CURRENT_FOLDER, field=field) from None


def resolve_folder(field: str, path: str) -> Path:
    """Returns the absolute path of a folder. Refuses with NO_FOLDER if it isn't one."""
    found = resolve_path(field, path)
    if not os.path.isdir(found):
        raise Refused(NO_FOLDER, field=field, path=str(found))
    return found
