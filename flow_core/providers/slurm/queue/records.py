"""Splits the output of one call into its sections, and a section into records.

Job names may contain anything, also line breaks. So a random token that no name can contain ends each field.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

_TOKEN_BYTES = 5


def make_token() -> str:
    """Returns a token for one call. Its first character is a letter: squeue reads a digit as the width of a field."""
    return f"z{secrets.token_hex(_TOKEN_BYTES)}"


def split_sections(text: str, mark: str) -> dict[str, str]:
    """Returns the sections of the output by name: each begins with the mark, its name and a line break.

    Ignores what comes before the first one, such as the greeting of a login shell.
    """
    sections: dict[str, str] = {}
    for part in text.split(mark)[1:]:
        name, _, body = part.partition("\n")
        sections[name.strip()] = body
    return sections


def split_records(text: str, token: str, width: int) -> Iterator[tuple[str, ...]]:
    """Yields the records of a section, each of `width` fields. The last one is left out if it is incomplete.

    Lines before a record, such as the header of a cluster, are ignored.
    """
    fields = text.split(token)
    for start in range(0, len(fields) - width, width):
        first, *rest = fields[start : start + width]
        yield (first.rpartition("\n")[2], *rest)
