"""What stands in the API's answers, checked: one that is shaped otherwise is an error and no guess."""

from __future__ import annotations

import re
from typing import Any

from flow_core.errors import ProviderError

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def is_id(text: str) -> bool:
    """Whether it could be an id of theirs, and so may stand in a path."""
    return _ID.fullmatch(text) is not None


def rows(value: Any, noun: str) -> list[dict[str, Any]]:
    """The tables of a listing, which may be wrapped. Raises ProviderError."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", noun.replace(" ", "_"), "items") if name in value), None)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
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


def optional(row: dict[str, Any], *names: str) -> str:
    """As `text`, empty where there is none."""
    for name in names:  # a loop, since a list asks this for every field of every row
        if isinstance(value := row.get(name), str):
            return value
    return ""


def number(row: dict[str, Any], name: str) -> int:
    """A whole number that is not below 0; 0 where there is none."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
