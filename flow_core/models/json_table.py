"""Free tables within a model: data that can be written down and read back, and nothing else."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator

_DEEPEST = 16
_MOST = 10_000


def plain_table(table: dict[str, Any]) -> dict[str, Any]:
    """The table, copied. Raises ValueError for what isn't plain data (a date of YAML's), or for far too much of it."""
    room = [_MOST]
    return {_name(key): _plain(value, _DEEPEST, room) for key, value in table.items()}


PlainTable = Annotated[dict[str, Any], AfterValidator(plain_table)]


def _plain(value: Any, depth: int, room: list[int]) -> Any:
    """`room` is how many values may still come: one that stands in many places counts as often."""
    room[0] -= 1
    if not depth or room[0] < 0:
        raise ValueError(f"is nested more than {_DEEPEST} deep" if not depth else f"holds more than {_MOST} values")
    if isinstance(value, dict):
        return {_name(key): _plain(one, depth - 1, room) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth - 1, room) for one in value]
    if value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"must hold text, numbers, lists and tables only, no {type(value).__name__}; write it in quotes")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"has a name that is a {type(key).__name__}; put it in quotes")
    return key
