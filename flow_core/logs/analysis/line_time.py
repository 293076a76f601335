"""Reads the time at the beginning of a line, in the formats of the loggers and programs of this field."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from flow_core.logs.analysis.line_prefix import LIMIT, SOURCE_PATTERN

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_SKIP = rf"(?:{SOURCE_PATTERN}|\[?{_LEVEL}(?:\|[^\]\s]{{1,80}})?\]?[ :|]\s*|\[NeMo [IWED] |\[[^\]\s]{{0,40}}\] ){{0,4}}"
"""What may stand before the time: the rank or process, and the level."""
_CLOCK = (
    r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-6]\d)(?:[.,:](?P<fraction>\d{1,9}))?(?![\d:<])"
    r"(?: ?(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b))?"
)
_DATES = (
    r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)(?:[T_]|,? +| - )",
    r"(?P<first>\d\d)/(?P<middle>\d\d)/(?P<last>\d{4}|\d\d) +",
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?P<name>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" +(?P<name_day>\d{1,2})(?: +(?P<name_year>\d{4}))?,? +",
    r"(?P<vllm_month>\d\d)-(?P<vllm_day>\d\d) +",
    r"[IWEFDC](?P<glog_month>\d\d?)(?P<glog_day>\d\d) +",
)
_EPOCH = r"(?P<seconds>\d{10})(?:(?P<more>\d{3}|\d{6}|\d{9})|[.,](?P<part>\d{1,9}))?(?![\w.:/-])"
_TIME = re.compile(
    rf"\s{{0,40}}{_SKIP}[\[(<]?(?:(?:{'|'.join(_DATES)})?{_CLOCK}(?: (?P<year_after>\d{{4}})\b)?|{_EPOCH})"
)
_HALF_A_DAY = timedelta(hours=12)
_FIRST_YEAR, _LAST_YEAR = 1980, 2200
_EPOCH_RANGE = timedelta(days=10 * 365)
"""A number that is further from the reference is no time."""
_ISO = re.compile(
    r"\s{0,8}\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[0-5]\d(?:[.,]\d{1,9})?(?:Z\b|[+-]\d\d:?\d\d\b)?)"
    r"(?![\d:<])(?! ?(?:[+-]\d\d|UTC|GMT|Z\b))"
)


def find_time(text: str, reference: datetime) -> datetime | None:
    """Returns the time at the beginning of a line, or None. Never raises. Takes 1 to 5 us.

    The result has a zone. What the line lacks comes from `reference`: the zone, or UTC if it has none, and the year or
    the date, so that the time is as near to the reference as possible.
    """
    with suppress(ValueError, OverflowError):  # no such day, or a time that no datetime can hold
        time = _find(text, reference)
        if time is not None and _FIRST_YEAR < time.year < _LAST_YEAR:
            return time
    return None


def _find(text: str, reference: datetime) -> datetime | None:
    if iso := _ISO.match(text):  # by far the most frequent
        time = datetime.fromisoformat(iso[1])
        return time if time.tzinfo else time.replace(tzinfo=reference.tzinfo or UTC)
    found = _TIME.match(text, 0, LIMIT)
    if found is None:
        return None
    zone = reference.tzinfo or UTC
    near = reference if reference.tzinfo else reference.replace(tzinfo=zone)
    if not found["seconds"]:
        return _read_clock(found, near)
    time = _read_epoch(found).astimezone(zone)
    return time if abs(time - near) < _EPOCH_RANGE else None


def _read_epoch(found: re.Match[str]) -> datetime:
    fraction = found["more"] or found["part"] or ""
    return datetime.fromtimestamp(int(found["seconds"]), UTC).replace(microsecond=_to_microseconds(fraction))


def _read_clock(found: re.Match[str], reference: datetime) -> datetime:
    zone = _read_zone(found["zone"]) or reference.tzinfo
    near = reference.astimezone(zone)
    hour = int(found["hour"])
    second = min(int(found["second"]), 59)  # a leap second
    microsecond = _to_microseconds(found["fraction"] or "")
    day = _read_date(found, near)
    if day is not None:
        return datetime(day.year, day.month, day.day, hour, int(found["minute"]), second, microsecond, zone)
    time = near.replace(hour=hour, minute=int(found["minute"]), second=second, microsecond=microsecond, fold=0)
    if time - near > _HALF_A_DAY:
        return time - timedelta(days=1)
    return time + timedelta(days=1) if near - time > _HALF_A_DAY else time


def _read_date(found: re.Match[str], near: datetime) -> date | None:
    """Returns None if the line has no date. Raises ValueError if there is no such day."""
    if found["year"]:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    if found["first"]:
        first, middle, last = int(found["first"]), int(found["middle"]), int(found["last"])
        return date(last, first, middle) if last > 99 else date(2000 + first, middle, last)
    for kind in ("name", "vllm_month", "glog_month"):
        if month := found[kind]:
            day = int(found[kind.removesuffix("_month") + "_day"])
            year = found["name_year"] or found["year_after"]
            number = int(month) if month.isdecimal() else _MONTHS.index(month) // 3 + 1
            return date(int(year), number, day) if year else _nearest_day(number, day, near.date())
    return None


def _nearest_day(month: int, day: int, near: date) -> date:
    """Returns the day in the year that is nearest to `near`. Raises ValueError if no year near has that day."""
    days = []
    for year in (near.year - 1, near.year, near.year + 1):
        with suppress(ValueError):
            days.append(date(year, month, day))
    return min(days, key=lambda found: abs(found - near))


def _read_zone(zone: str | None) -> tzinfo | None:
    if not zone:
        return None
    if zone[0] not in "+-":
        return UTC
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if zone[0] == "-" else offset)


def _to_microseconds(fraction: str) -> int:
    return int(fraction[:6].ljust(6, "0"))
