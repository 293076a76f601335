"""Reads fields of the API's responses; raises an error for an unexpected shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flow_core.errors import ProviderError, printable
from flow_core.identifiers import is_cloud_id
from flow_core.logs.escape import escape_controls

_LABEL_CHARACTERS = 256
_NUMBER_MAX = 10**12


def read_rows(value: Any, noun: str) -> list[Any]:
    """Returns the rows of a list, which may be wrapped. Raises ProviderError."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", noun.replace(" ", "_"), "items") if name in value), None)
    if not isinstance(value, list):
        raise ProviderError(f"the Mithril API answered something else than a list of {noun}")
    return value


def read_table(value: Any, noun: str) -> dict[str, Any]:
    """Returns one table, which may be wrapped. Raises ProviderError."""
    if isinstance(value, dict) and isinstance(value.get("data"), dict):
        value = value["data"]
    if not isinstance(value, dict):
        raise ProviderError(f"the Mithril API answered something else than {noun}")
    return value


def read_text(row: dict[str, Any], *names: str) -> str:
    """Returns the first of these fields that contains text. Raises ProviderError."""
    for name in names:
        if isinstance(value := row.get(name), str) and value:
            return value
    raise ProviderError(f"the Mithril API left out {names[0]!r} of what it answered")


def read_id(row: dict[str, Any], *names: str, check: Callable[[str], bool] = is_cloud_id) -> str:
    """Returns the id of a row, which may become a part of a path. Raises ProviderError for an invalid id."""
    row_id = read_text(row, *(names or ("fid", "id")))
    if not check(row_id):
        raise ProviderError(f"the Mithril API gave the id {printable(row_id)!r}, which can't be one")
    return row_id


def read_label(row: dict[str, Any], *names: str) -> str:
    """Returns a name, unchanged but cut; empty if there is none."""
    for name in names:  # a loop is fast; lists call this for every field of every row
        if isinstance(value := row.get(name), str):
            return value[:_LABEL_CHARACTERS]
    return ""


def read_word(row: dict[str, Any], *names: str) -> str:
    """Returns a word of the API, with control characters escaped; empty if there is none."""
    for name in names:
        if isinstance(value := row.get(name), str):
            return _escape(value[:_LABEL_CHARACTERS])
    return ""


@lru_cache(maxsize=1024)  # the rows of a list have few words
def _escape(text: str) -> str:
    return escape_controls(text)


def read_optional(row: dict[str, Any], *names: str) -> str:
    """Returns the first of these fields that is text; empty if there is none."""
    for name in names:
        if isinstance(value := row.get(name), str):
            return value
    return ""


def read_number(row: dict[str, Any], name: str) -> int:
    """Returns a whole number that is not below 0; 0 if it is missing or out of range."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _NUMBER_MAX else 0
