"""Reads values that slurmrestd writes in another form in each version. A value that can't be read counts as unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flow_core.agent.utc_time import to_utc_datetime
from flow_core.providers.slurm.queue.values import clean, parse_exit, parse_number, split_wait_status

Table = Mapping[str, Any]
_NO_VALUES = (0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF)
"""The numbers by which Slurm means "not set" and "no limit"."""
_LAST_S = 221_845_392_000  # the year 9000: near the end of the calendar, conversions fail


def read_table(value: object) -> Table:
    """Returns a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_rows(value: object) -> list[Table]:
    """Returns the JSON objects of a list; an empty list for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def read_text(value: object) -> str:
    """Returns a text; "" for the words by which Slurm says that there is none, and for anything else."""
    return clean(value) if isinstance(value, str) else ""


def read_words(value: object) -> tuple[str, ...]:
    """Returns the texts of a list, or of a text with commas. Each version has its own of the two."""
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(word.strip() for word in words if isinstance(word, str) and clean(word.strip()))


def read_number(value: object) -> int | None:
    """Reads a number, or {"set", "infinite", "number"}. Returns None for no value, and for no limit."""
    if isinstance(value, dict):
        is_set = value.get("set", True) is True and value.get("infinite") is not True
        return read_number(value.get("number")) if is_set and not isinstance(value.get("number"), dict) else None
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(value) if 0 <= value <= _NO_VALUES[-1] and value not in _NO_VALUES else None


def read_time(value: object) -> datetime | None:
    """Reads seconds since 1970; None for 0."""
    seconds = read_number(value)
    return to_utc_datetime(seconds) if seconds and seconds < _LAST_S else None


def read_exit(value: object) -> tuple[int | None, int]:
    """Returns the exit code and the signal (0: none) of a job; (None, 0) if they are unknown.

    Reads the wait status of the first versions, and the table of the later ones.
    """
    table = read_table(value)
    if "return_code" not in table:
        status = read_number(value)
        return (None, 0) if status is None else split_wait_status(str(status))
    signal = read_table(table.get("signal"))
    number = read_number(signal.get("id", signal.get("signal_id"))) or 0
    code = read_number(table["return_code"])
    return (None, 0) if code is None and not number else parse_exit(f"{code or 0}:{number}")
