"""What stands in the API's answers, checked: one that is shaped otherwise is an error and no guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flow_core.errors import ProviderError, printable
from flow_core.identifiers import is_cloud_id
from flow_core.logs.escape import escape_controls

_LONGEST_LABEL = 256
_MOST = 10**12


def rows(value: Any, noun: str) -> list[Any]:
    """The rows of a listing, which may be wrapped. Raises ProviderError."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", noun.replace(" ", "_"), "items") if name in value), None)
    if not isinstance(value, list):
        raise ProviderError(f"the Mithril API answered something else than a list of {noun}")
    return value


def table(value: Any, noun: str) -> dict[str, Any]:
    """One table, which may be wrapped. Raises ProviderError."""
    if isinstance(value, dict) and isinstance(value.get("data"), dict):
        value = value["data"]
    if not isinstance(value, dict):
        raise ProviderError(f"the Mithril API answered something else than {noun}")
    return value


def text(row: dict[str, Any], *names: str) -> str:
    """The first of these that holds text. Raises ProviderError."""
    for name in names:
        if isinstance(value := row.get(name), str) and value:
            return value
    raise ProviderError(f"the Mithril API left out {names[0]!r} of what it answered")


def identifier(row: dict[str, Any], *names: str, check: Callable[[str], bool] = is_cloud_id) -> str:
    """The id of a row, which may become a part of a path. Raises ProviderError for what can't be one."""
    found = text(row, *(names or ("fid", "id")))
    if not check(found):
        raise ProviderError(f"the Mithril API gave the id {printable(found)!r}, which can't be one")
    return found


def label(row: dict[str, Any], *names: str) -> str:
    """A name, as it is but not too long; empty where there is none."""
    return optional(row, *names)[:_LONGEST_LABEL]


def word(row: dict[str, Any], *names: str) -> str:
    """A word of the API's own, made harmless; empty where there is none."""
    return escape_controls(label(row, *names))


def optional(row: dict[str, Any], *names: str) -> str:
    """As `text`, empty where there is none."""
    for name in names:  # a loop, since a list asks this for every field of every row
        if isinstance(value := row.get(name), str):
            return value
    return ""


def number(row: dict[str, Any], name: str) -> int:
    """A whole number that is not below 0; 0 where there is none, or one that nothing can be."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else 0
