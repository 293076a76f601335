"""Finds the folders of the user, as `platformdirs` does, which takes longer to import than a whole start may take."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "flow"
_IS_MAC = sys.platform == "darwin"
_IS_LINUX = sys.platform.startswith("linux") and not hasattr(sys, "getandroidapilevel")


def find_state_folder(environ: Mapping[str, str]) -> str:
    """Returns `$FLOW_STATE_DIR`, otherwise the platform's folder for the state of a program."""
    if explicit := environ.get("FLOW_STATE_DIR"):
        return os.path.expanduser(explicit)
    return _find_folder(environ, "XDG_STATE_HOME", ".local/state", "user_state_dir")


def find_config_folder(environ: Mapping[str, str]) -> str:
    """Returns the platform's folder for the configuration of a program."""
    return _find_folder(environ, "XDG_CONFIG_HOME", ".config", "user_config_dir")


def _find_folder(environ: Mapping[str, str], variable: str, linux_default: str, function: str) -> str:
    if _IS_LINUX or _IS_MAC:
        base, home = environ.get(variable, ""), environ.get("HOME", "")
        if os.path.isabs(base):
            return os.path.join(base, _FOLDER)
        if os.path.isabs(home):
            return os.path.join(home, "Library/Application Support" if _IS_MAC else linux_default, _FOLDER)
    import platformdirs  # lazy import: for other systems, and for a user without a home

    return str(getattr(platformdirs, function)(_FOLDER, appauthor=False))
