"""Places in a log as a user types them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.logs.position_text import TimeTarget, parse_position

CURRENT = datetime(2026, 1, 2, 14, 5, 30, tzinfo=UTC)


@each(
    "text, expected",
    [
        ("14:05", datetime(2026, 1, 2, 14, 5, tzinfo=UTC)),
        (" 3:04:05 ", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("03:04:05.25", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        ("2025-12-31 23:59", datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        ("2025-12-31T23:59:07", datetime(2025, 12, 31, 23, 59, 7, tzinfo=UTC)),
        ("2025-12-31", datetime(2025, 12, 31, tzinfo=UTC)),
        ("-10m", CURRENT - timedelta(minutes=10)),
        ("+1h30m", CURRENT + timedelta(hours=1, minutes=30)),
        ("-2d", CURRENT - timedelta(days=2)),
    ],
)
def test_a_time_may_have_a_date_or_be_a_step_from_the_current_line(text: str, expected: datetime) -> None:
    target = parse_position(text)
    assert isinstance(target, TimeTarget)
    assert target.resolve(CURRENT) == expected


@each("text, expected", [("120", 120), (" 1 ", 1), ("000000000000000007", 7)])
def test_a_number_is_a_line(text: str, expected: int) -> None:
    assert parse_position(text) == expected


@each(
    "text, expected",
    [
        ("", "not a line or a time"),
        ("0", "counted from 1"),
        ("ab", "not a line or a time"),
        ("25:00", "no such time"),
        ("14:60", "no such time"),
        ("-10", "not a line or a time"),
        ("10m", "not a line or a time"),
        ("-" + "9d" * 5 + "x", "not a line or a time"),
    ],
)
def test_other_text_is_refused_with_a_sentence(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        parse_position(text)


@each(
    "text, expected",
    [("2026-02-30 10:00", "no such time"), ("-999999999d", "no such time"), ("9999-99-99", "no such time")],
)
def test_a_time_that_no_calendar_has_is_refused(text: str, expected: str) -> None:
    target = parse_position(text)
    assert isinstance(target, TimeTarget)
    with pytest.raises(ConfigError, match=expected):
        target.resolve(CURRENT)


@given(st.text(alphabet="0123456789:-+.,dhms T\n\u0661", max_size=20))
def test_any_text_is_a_place_or_is_refused(text: str) -> None:
    with suppress(ConfigError):
        target = parse_position(text)
        if isinstance(target, TimeTarget):
            target.resolve(CURRENT)


@given(st.datetimes(datetime(1, 1, 2), datetime(9998, 1, 1)))
def test_a_full_time_is_that_time(time: datetime) -> None:
    target = parse_position(
        f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond:06d}".replace(f"{time:%Y}", f"{time.year:04d}", 1)
    )
    assert isinstance(target, TimeTarget)
    assert target.resolve(CURRENT) == time.replace(tzinfo=UTC)
