"""Tables of free content in a model, which hold only data that can be written and read back."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator

_MAX_DEPTH = 16
_MAX_VALUES = 10_000


def copy_plain_table(table: dict[str, Any]) -> dict[str, Any]:
    """Returns a copy. Raises ValueError for other data (such as a date of YAML) and for too much data."""
    remaining = [_MAX_VALUES]
    return {_check_key(key): _copy_value(value, _MAX_DEPTH, remaining) for key, value in table.items()}


PlainTable = Annotated[dict[str, Any], AfterValidator(copy_plain_table)]


def _copy_value(value: Any, depth: int, remaining: list[int]) -> Any:
    """Copies a value. `remaining` is the number of values that may follow; an aliased value counts each time."""
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
