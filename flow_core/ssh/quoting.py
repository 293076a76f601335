"""Quotes words for remote shells and for ssh's own options."""

from __future__ import annotations

import re
from pathlib import Path

from flow_core.errors import ConfigError

_ESCAPES = str.maketrans({"'": "'\\''", "\\": "'\\\\'"})
_UNQUOTABLE = re.compile("[\\n\\r!\udc80-\udcff]")
_UNWRITABLE = re.compile(r'["\\$\x00-\x1f]|^~')


def quote_word(text: str) -> str:
    """Quotes a word for sh, and also for fish, where a backslash inside quotes is special."""
    return "'" + text.translate(_ESCAPES) + "'"


def build_sh_command(command: str) -> str:
    """Returns a command that replaces any login shell by sh and runs a command there.

    csh allows neither a line break nor a ! inside quotes. These and bytes that are not UTF-8 are encoded for printf.
    """
    if not _UNQUOTABLE.search(command):
        return f"exec /bin/sh -c {quote_word(command)}"
    return f"""exec /bin/sh -c 'eval "$(printf %b "$1")"' sh {quote_word(_escape_for_printf(command))}"""


def _escape_for_printf(command: str) -> str:
    return _UNQUOTABLE.sub(lambda found: f"\\0{ord(found[0]) & 0xFF:03o}", command.replace("\\", "\\\\"))


def build_identity_option(key: Path) -> tuple[str, str]:
    """Returns the ssh option for a key file. Raises ConfigError.

    `-i` checks the file before it replaces %%, so a name with % needs `-o`.
    """
    return ("-o", f"IdentityFile={quote_option(key)}") if "%" in str(key) else ("-i", str(key))


def quote_option(path: Path) -> str:
    """Quotes a path for ssh's option parser, which splits at spaces and expands %. Raises ConfigError."""
    text = str(path)
    if _UNWRITABLE.search(text):
        raise ConfigError(f"an ssh option can't hold the path {text!r}; choose one without quotes, backslashes and $")
    text = text.replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s#']", text) else text
