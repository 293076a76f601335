"""Free tables within a model: data that can be written down and read back, and nothing else."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator

_MAX_DEPTH = 16
_MAX_VALUES = 10_000


def copy_plain_table(table: dict[str, Any]) -> dict[str, Any]:
    """The table, copied. Raises ValueError for what isn't plain data (a date of YAML's), or for far too much of it."""
    remaining = [_MAX_VALUES]
    return {_check_key(key): _copy_value(value, _MAX_DEPTH, remaining) for key, value in table.items()}


PlainTable = Annotated[dict[str, Any], AfterValidator(copy_plain_table)]


def _copy_value(value: Any, depth: int, remaining: list[int]) -> Any:
    """`remaining` is how many values may still come: one that stands in many places counts as often."""
    remaining[0] -= 1
    if not depth or remaining[0] < 0:
        raise ValueError(
            f"is nested more than {_MAX_DEPTH} deep" if not depth else f"holds more than {_MAX_VALUES} values"
        )
    if isinstance(value, dict):
        return {_check_key(key): _copy_value(one, depth - 1, remaining) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_copy_value(one, depth - 1, remaining) for one in value]
    if value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"must hold text, numbers, lists and tables only, no {type(value).__name__}; write it in quotes")


def _check_key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"has a name that is a {type(key).__name__}; put it in quotes")
    return key
