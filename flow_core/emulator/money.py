"""Amounts of money: whole cents internally, dollars with their sign in requests and responses."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

_DOLLARS = re.compile(r"\$?(\d{1,9}(?:\.\d{1,6})?)", re.ASCII)


def format_dollars(cents: int) -> str:
    return f"${cents // 100}.{cents % 100:02d}"


def parse_cents(text: str) -> int | None:
    """Returns the amount in a text, with or without a dollar sign; None if there is none."""
    found = _DOLLARS.fullmatch(text.strip())
    return int((Decimal(found[1]) * 100).quantize(Decimal(1), ROUND_HALF_UP)) if found else None
