"""Reads the fields of a record that another program wrote or may have changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

LAST_TIMESTAMP = 253402300799.0  # the end of the year 9999, the last time that a datetime can hold


class Fields:
    """The fields of one record. Every method raises ValueError, which names the invalid field."""

    def __init__(self, table: Any) -> None:
        if not isinstance(table, dict):
            raise ValueError("it must be a table")
        self._table: dict[Any, Any] = table

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a string. Required without a default."""
        value = self._table.get(name, default)
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")
        return value

    def optional_text(self, name: str) -> str | None:
        """Returns a string; None if the field is missing or null."""
        return None if self._table.get(name) is None else self.text(name)

    def whole(self, name: str, default: int | None = None, *, minimum: int = 0, maximum: int = 1 << 53) -> int:
        """Returns an integer. Required without a default. Accepts a float that has an integer value."""
        value = self._table.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a whole number")
        if not minimum <= value <= maximum or value != int(value):
            raise ValueError(f"{name} must be a whole number from {minimum} to {maximum}")
        return int(value)

    def optional_whole(self, name: str) -> int | None:
        """Returns an integer; None if the field is missing or null."""
        return None if self._table.get(name) is None else self.whole(name)

    def optional_number(self, name: str) -> float | None:
        """Returns a finite number; None if the field is missing or null."""
        value = self._table.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name} must be a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """Returns a bool; False if the field is missing."""
        value = self._table.get(name, False)
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")
        return value

    def number(self, name: str) -> float:
        """Returns a finite number from 0 on; an integer stays an integer. Required."""
        value = self._table.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise ValueError(f"{name} must be a number from 0 on")
        return value

    def one_of(self, name: str, known: Sequence[str]) -> str:
        """Returns a string that is one of `known`. Required."""
        value = self.text(name)
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}")
        return value

    def moment(self, name: str) -> float:
        """Returns seconds since the epoch that a datetime can hold. Required."""
        return check_timestamp(self._table.get(name), name)

    def optional_moment(self, name: str) -> float | None:
        """Returns seconds since the epoch; None if the field is missing or null."""
        return None if self._table.get(name) is None else self.moment(name)

    def table(self, name: str) -> dict[str, Any]:
        """Returns a dict; an empty one if the field is missing."""
        value = self._table.get(name, {})
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be a table")
        return value

    def tables(self, name: str) -> list[dict[str, Any]]:
        """Returns a list of dicts; an empty one if the field is missing."""
        value = self.entries(name)
        if not all(isinstance(one, dict) for one in value):
            raise ValueError(f"{name} must be a list of tables")
        return value

    def wholes(self, name: str, *, minimum: int = 0, maximum: int = 1 << 53) -> tuple[int, ...]:
        """Returns a tuple of integers; an empty one if the field is missing."""
        return tuple(
            Fields({name: value}).whole(name, minimum=minimum, maximum=maximum) for value in self.entries(name)
        )

    def texts(self, name: str) -> tuple[str, ...]:
        """Returns a tuple of strings; an empty one if the field is missing."""
        return tuple(Fields({name: value}).text(name) for value in self.entries(name))

    def entries(self, name: str) -> list[Any]:
        """Returns a list with entries of any type; an empty one if the field is missing."""
        value = self._table.get(name, [])
        if not isinstance(value, list):
            raise ValueError(f"{name} must be a list")
        return value


def check_timestamp(value: Any, name: str) -> float:
    """Returns the value as seconds since the epoch. Raises ValueError, which names the field."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a time in seconds")
    if not (isinstance(value, int) or math.isfinite(value)) or not 0 <= value <= LAST_TIMESTAMP:
        raise ValueError(f"{name} must be a time in seconds from 0 to {LAST_TIMESTAMP:.0f}")
    return float(value)
