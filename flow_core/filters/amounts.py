"""Comparisons with amounts in filters: `<1d`, `>=2h30m`, `4`, `>2.50`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

from flow_core.errors import ConfigError

_COMPARISON = re.compile(r"(<=|>=|<|>|=|)(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "": operator.eq,
}
_DURATION = re.compile(r"(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
_UNIT_S = (7 * 86_400, 86_400, 3_600, 60, 1)
Comparison = Callable[[float], bool]


def parse_comparison(text: str, parse: Callable[[str], float]) -> Comparison:
    """Returns the test of an amount that `text` describes. Raises ConfigError."""
    found = _COMPARISON.fullmatch(text)
    assert found is not None  # the pattern matches every text
    compare, limit = _COMPARE[found[1]], parse(found[2])
    return lambda amount: compare(amount, limit)


def parse_duration_s(text: str) -> float:
    """Returns a duration such as 90s, 2h30m or 1w in seconds. Raises ConfigError."""
    found = _DURATION.fullmatch(text) if text else None
    if found is None:
        raise ConfigError("must be a duration after < or >, such as <1d or >2h30m")
    return sum(int(count or 0) * unit_s for count, unit_s in zip(found.groups(), _UNIT_S, strict=True))


def parse_number(text: str) -> float:
    """Returns a number. Raises ConfigError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError("must be a number, which may follow < or >, such as 8 or >2.50")
    return number
