"""Times at the beginning of lines."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.logs.analysis.line_time import find_time

BERLIN = timezone(timedelta(hours=1))
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=BERLIN)


@each(
    ("line", "expected"),
    [
        ("2026-01-02T03:04:05Z ready", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05,678 - root - INFO - x", "2026-01-02T03:04:05.678000+01:00"),
        ("2026-01-02 03:04:05.678901 | INFO | x", "2026-01-02T03:04:05.678901+01:00"),
        ("2026-01-02T03:04:05.123456789+02:00 x", "2026-01-02T03:04:05.123456+02:00"),
        ("2026-01-02T03:04:05-0800 x", "2026-01-02T03:04:05-08:00"),
        ("2026-01-02 03:04:05 UTC [12] LOG:  x", "2026-01-02T03:04:05+00:00"),
        ("[2026-01-02 03:04:05,678] [INFO] [launch.py:1] x", "2026-01-02T03:04:05.678000+01:00"),
        ("2026/01/02 03:04:05 [error] x", "2026-01-02T03:04:05+01:00"),
        ("01/02/2026 03:04:05 - INFO - x", "2026-01-02T03:04:05+01:00"),
        ("26/01/02 03:04:05 WARN x", "2026-01-02T03:04:05+01:00"),
        ("Jan  2 03:04:05 gpu4 sshd[1]: x", "2026-01-02T03:04:05+01:00"),
        ("Dec 31 23:59:59 gpu4 sshd[1]: x", "2025-12-31T23:59:59+01:00"),
        ("[Fri Jan  2 11:43:09 2026] NVRM: x", "2026-01-02T11:43:09+01:00"),
        ("Fri Jan  2 11:43:09 UTC 2026", "2026-01-02T11:43:09+00:00"),
        ("[03:04:05] INFO     x", "2026-01-02T03:04:05+01:00"),
        ("23:59:59.5 x", "2026-01-02T23:59:59.500000+01:00"),
        ("I0102 03:04:05.123456 140 server.cc:12] x", "2026-01-02T03:04:05.123456+01:00"),
        ("[rank3]:[E1206 18:44:12.715298746 ProcessGroupNCCL.cpp:607] x", "2025-12-06T18:44:12.715298+01:00"),
        ("[rank3]:[E321 18:44:12.715298746 ProcessGroupNCCL.cpp:607] x", "2026-03-21T18:44:12.715298+01:00"),
        ("INFO 01-02 03:04:05 [engine.py:12] x", "2026-01-02T03:04:05+01:00"),
        ("(EngineCore_0 pid=123) ERROR 01-02 03:04:05 [core.py:1] x", "2026-01-02T03:04:05+01:00"),
        ("vllm-1  | INFO 01-02 03:04:05 [engine.py:12] x", "2026-01-02T03:04:05+01:00"),
        ("[INFO|trainer.py:123] 2026-01-02 03:04:05,123 >> x", "2026-01-02T03:04:05.123000+01:00"),
        ("[NeMo I 2026-01-02 03:04:05 nemo:12] x", "2026-01-02T03:04:05+01:00"),
        ("1767323045 x", "2026-01-02T04:04:05+01:00"),
        ("1767323045.25 x", "2026-01-02T04:04:05.250000+01:00"),
        ("[1767323045123] x", "2026-01-02T04:04:05.123000+01:00"),
        ("03:04:60 x", "2026-01-02T03:04:59+01:00"),
    ],
)
def test_the_time_of_a_line_is_read(line: str, expected: str) -> None:
    assert find_time(line, NOON) == datetime.fromisoformat(expected)


@each(
    "line",
    [
        "",
        "step 12",
        "step 1 03:04:05",
        "12:34 x",
        "[00:01<00:09,  1.00it/s]",
        "00:01:02<00:03:04",
        "2026-02-30 03:04:05 no such day",
        "2026-01-02 24:00:00 no such hour",
        "0000-01-02 03:04:05 x",
        "9999-12-31 23:59:59-14:00 x",
        "Feb 29 03:04:05 x",
        "1234567890 parameters",
        "1234567890123456 x",
        "[ 391.163575] NVRM: x",
        "1767323045-name",
    ],
)
def test_other_numbers_are_no_times(line: str) -> None:
    assert find_time(line, NOON) is None


@each(
    ("clock", "reference", "expected"),
    [
        ("23:59:59", "2026-01-02T00:00:05", "2026-01-01T23:59:59"),
        ("00:00:05", "2026-01-01T23:59:59", "2026-01-02T00:00:05"),
        ("12:00:00", "2026-01-02T00:00:00", "2026-01-02T12:00:00"),
        ("Dec 31 23:59:59", "2026-01-01T00:00:05", "2025-12-31T23:59:59"),
        ("01-01 00:00:05", "2025-12-31T23:59:59", "2026-01-01T00:00:05"),
        ("Feb 29 10:00:00", "2023-12-31T00:00:00", "2024-02-29T10:00:00"),
    ],
)
def test_a_missing_date_is_the_one_nearest_to_the_reference(clock: str, reference: str, expected: str) -> None:
    near = datetime.fromisoformat(reference).replace(tzinfo=BERLIN)
    assert find_time(f"{clock} x", near) == datetime.fromisoformat(expected).replace(tzinfo=BERLIN)


def test_a_reference_without_a_zone_counts_as_utc() -> None:
    for line in ("2026-01-02 03:04:05 x", "03:04:05 x", "Jan  2 03:04:05 x", "1767323045 x"):
        found = find_time(line, datetime(2026, 1, 2))
        assert found == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.sampled_from([UTC, BERLIN]))
def test_every_iso_time_is_read_exactly(moment: datetime, zone: timezone) -> None:
    written = moment.replace(tzinfo=zone)
    assert find_time(f"{written.isoformat()} x", NOON) == written
    assert find_time(f"[{written.isoformat(' ', 'milliseconds')}] x", NOON) == written.replace(
        microsecond=written.microsecond // 1000 * 1000
    )


@given(
    st.text(max_size=80) | st.text("0123456789-:/., TZ+[]JanFebI", max_size=60),
    st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
)
@example("Jan 1 00:00:00", datetime.min)
@example("23:59:59+14:00", datetime.max.replace(tzinfo=UTC))
@example("00:00:01-14:00", datetime.min.replace(tzinfo=UTC))
@example("1767323045 x", datetime.max)
def test_any_text_has_a_time_with_a_zone_or_none(text: str, reference: datetime) -> None:
    found = find_time(text, reference)
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize("line", ["[" * 100_000, "0: " * 50_000, "INFO " * 20_000, "[a] " * 20_000, "a1 " * 20_000])
def test_a_hostile_line_takes_no_time(line: str) -> None:
    start = time.thread_time()
    find_time(line, NOON)
    assert time.thread_time() - start < 0.1
