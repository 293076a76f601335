"""Parses the time at the beginning of a line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_LEADING = re.compile(
    r"[\[(<\"' ]{0,3}(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse_leading_time_us(text: str) -> int | None:
    """Returns the ISO 8601 time at the beginning of a line, in microseconds since the epoch; None if it has none.

    A time without a zone is in UTC.
    """
    found = _LEADING.match(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.group("day", "clock", "fraction", "zone")
    try:
        time = datetime.fromisoformat(f"{day}T{clock}{zone or 'Z'}")
    except ValueError:
        return None
    return int((time - _EPOCH).total_seconds()) * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))


_EPOCH = datetime.fromtimestamp(0, UTC)
