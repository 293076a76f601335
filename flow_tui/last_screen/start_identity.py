"""Identifies a start of the program: two starts with one identity would show the same contexts in the same colours."""

from __future__ import annotations

import os

try:
    from _blake2 import blake2b  # hashlib would also load OpenSSL, which takes longer than all other imports here
except ImportError:
    from hashlib import blake2b

from flow_core import __version__
from flow_core.user_folders import find_state_folder

TYPE_CHECKING = False  # true for type checkers; importing typing would take longer than the whole module
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES = frozenset({"HOME", "XDG_CONFIG_HOME", "TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_ALL", "LC_CTYPE", "TZ"})
_PREFIXES = ("FLOW_", "MITHRIL_", "TEXTUAL")
_FOLDER = "last-screens"
_DIGEST_BYTES = 16


class StartIdentity:
    """The arguments and the environment of a start, as a digest that contains no secret, and the folder of screens."""

    __slots__ = ("_digest", "_folder")

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        names = sorted(name for name in environ if name in _NAMES or name.startswith(_PREFIXES))
        parts = (__version__, _find_working_directory(), *argv, "", *(f"{name}={environ[name]}" for name in names))
        text = "\0".join(parts).encode("utf-8", "surrogateescape")
        self._digest = blake2b(text, digest_size=_DIGEST_BYTES).hexdigest()
        self._folder = os.path.join(find_state_folder(environ), _FOLDER)

    def screen_path(self, columns: int, rows: int) -> str:
        """Returns the path of the screen that a terminal of this size shows first."""
        return os.path.join(self._folder, f"{self._digest}-{columns}x{rows}")


def _find_working_directory() -> str:
    """Returns the directory from which relative paths in the arguments and the variables start."""
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""
