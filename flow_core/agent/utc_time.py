"""Converts times to datetimes. No supervisor needs them, and their module takes long to load."""

from __future__ import annotations

from datetime import datetime, timezone


def to_utc_datetime(seconds: float) -> datetime:
    """Converts seconds since the epoch, which must be checked before, to a datetime in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
