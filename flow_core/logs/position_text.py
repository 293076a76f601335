"""Parses what a user types to go to a place in a log: a line number, a time, or a step in time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from flow_core.errors import ConfigError

EXAMPLES = "120, 14:05, 14:05:30, 2026-01-02 14:05, -10m or +1h30m"
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_NUMBER = re.compile(r"\d{1,18}")
_STEP = re.compile(r"([+-])((?:\d{1,9}[dhms])+)")
_TIME = re.compile(
    r"(?:(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?:[ T]+|$))?"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,6})\d*)?)?)?"
)


@dataclass(frozen=True, slots=True)
class TimeTarget:
    """A time to go to. A step is added to the time of the current line. A time without a date has the date of that
    line."""

    step: timedelta | None = None
    date: tuple[int, int, int] | None = None
    time: tuple[int, int, int, int] = (0, 0, 0, 0)

    def resolve(self, current: datetime) -> datetime:
        """Returns the time, in the time zone of `current`. Raises ConfigError if there is no such time."""
        hour, minute, second, microsecond = self.time
        year, month, day = self.date or (current.year, current.month, current.day)
        try:
            if self.step is not None:
                return current + self.step
            return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=current.tzinfo)
        except (ValueError, OverflowError) as error:
            raise ConfigError(f"there is no such time: {error}", field="position") from None


def parse_position(text: str) -> int | TimeTarget:
    """Returns a line number, counted from 1, or a time. Raises ConfigError."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        if int(text) < 1:
            raise ConfigError("lines are counted from 1", field="position")
        return int(text)
    if step := _STEP.fullmatch(text):
        return TimeTarget(step=_parse_step(step[1], step[2]))
    found = _TIME.fullmatch(text)
    if found is None or not text:
        raise ConfigError(f"not a line or a time: type for example {EXAMPLES}", field="position")
    return _to_time(found)


def _parse_step(sign: str, text: str) -> timedelta:
    parts = re.findall(r"(\d+)([dhms])", text)
    try:
        total = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    except OverflowError:
        raise ConfigError("that step is too long", field="position") from None
    return -total if sign == "-" else total


def _to_time(found: re.Match[str]) -> TimeTarget:
    date = (int(found["year"]), int(found["month"]), int(found["day"])) if found["year"] else None
    hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        raise ConfigError("there is no such time: hours go to 23, minutes and seconds to 59", field="position")
    fraction = int((found["fraction"] or "").ljust(6, "0"))
    return TimeTarget(date=date, time=(hour, minute, second, fraction))
