"""Amounts of money, which the API writes as "$12.50", as a number, or in cents, depending on the field."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

_CENT = Decimal("0.01")
_USD_MAX = Decimal(10) ** 9
_CACHED_CHARACTERS = 32


def parse_usd(value: Any) -> Decimal | None:
    """Parses "$12.50", "12.5" or 12.5 as USD; None for null and for invalid prices."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value)
    return _parse_cached(text) if len(text) <= _CACHED_CHARACTERS else _parse_amount(text)


def _parse_amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _USD_MAX else None


_parse_cached = lru_cache(maxsize=256)(_parse_amount)
"""The rows of a list have few different prices."""


def parse_cents(value: Any) -> Decimal | None:
    """Parses a field in cents; returns USD."""
    amount = parse_usd(value)
    return None if amount is None else amount / 100


@lru_cache(maxsize=256)
def format_usd(amount: Decimal) -> str:
    """Formats an amount for the API and for the user: "$12.50"."""
    return f"${amount.quantize(_CENT)}"


def to_cents(amount: Decimal) -> int:
    """Converts USD to whole cents, rounded up."""
    return int((amount * 100).to_integral_value(ROUND_CEILING))
