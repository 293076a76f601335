"""Paths of this machine, as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from flow_core.errors import ConfigError, printable


def absolute(field: str, path: str) -> Path:
    """With ~ read, and seen from the folder this runs in. Raises ConfigError where that is gone."""
    try:
        return Path(os.path.expanduser(path)).absolute()
    except OSError:
        raise ConfigError(f"{field}: the folder this runs in is gone; write a path from /", field=field) from None


def folder(field: str, path: str) -> Path:
    """Raises ConfigError for what is no folder."""
    found = absolute(field, path)
    if not os.path.isdir(found):
        raise ConfigError(f"{field}: {printable(repr(str(found)))} is no folder on this machine", field=field)
    return found
