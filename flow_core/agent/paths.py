"""Paths of this machine, as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from flow_core.agent.refusals import Refused

NO_CURRENT_FOLDER = "no_current_folder"
NO_FOLDER = "no_folder"


def resolve_path(field: str, path: str) -> Path:
    """With ~ read, and seen from the folder this runs in. Refuses with NO_CURRENT_FOLDER where that is gone."""
    try:
        return Path(os.path.expanduser(path)).absolute()
    except OSError:
        raise Refused(NO_CURRENT_FOLDER, field=field) from None


def resolve_folder(field: str, path: str) -> Path:
    """Refuses what is no folder with NO_FOLDER."""
    found = resolve_path(field, path)
    if not os.path.isdir(found):
        raise Refused(NO_FOLDER, field=field, path=str(found))
    return found
