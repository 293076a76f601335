"""Words as others read them: the shells of the far side, whichever they are, and ssh itself."""

from __future__ import annotations

import re
from pathlib import Path

from flow_core.errors import ConfigError

_ESCAPES = str.maketrans({"'": "'\\''", "\\": "'\\\\'"})
_UNQUOTABLE = re.compile("[\\n\\r!\udc80-\udcff]")
_UNWRITABLE = re.compile(r'["\\$\x00-\x1f]|^~')


def quote_word(text: str) -> str:
    """As one word for sh, and also for fish, where a backslash inside quotes isn't plain."""
    return "'" + text.translate(_ESCAPES) + "'"


def sh_command(line: str) -> str:
    """A line for sh, for a login shell that may be another, which it replaces.

    csh takes neither a line break nor a ! inside quotes, so these are spelled for printf, and so are bytes that are no
    UTF-8.
    """
    if not _UNQUOTABLE.search(line):
        return f"exec /bin/sh -c {quote_word(line)}"
    return f"""exec /bin/sh -c 'eval "$(printf %b "$1")"' sh {quote_word(_escape_for_printf(line))}"""


def _escape_for_printf(line: str) -> str:
    return _UNQUOTABLE.sub(lambda found: f"\\0{ord(found[0]) & 0xFF:03o}", line.replace("\\", "\\\\"))


def identity_words(key: Path) -> tuple[str, str]:
    """`-i` looks for the file before it replaces %%, so a name with % can only be an option. Raises ConfigError."""
    return ("-o", f"IdentityFile={quote_option(key)}") if "%" in str(key) else ("-i", str(key))


def quote_option(path: Path) -> str:
    """As ssh's own option parser reads it, which splits at spaces and replaces what follows a %. Raises ConfigError."""
    text = str(path)
    if _UNWRITABLE.search(text):
        raise ConfigError(f"ssh can't be told of the path {text!r}; choose one without quotes, backslashes and $")
    text = text.replace("%", "%%")
    return f'"{text}"' if re.search(r"[\s#']", text) else text
