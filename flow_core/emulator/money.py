"""Amounts: whole cents within, dollars with their sign in most of what is asked and answered."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

_DOLLARS = re.compile(r"\$?(\d{1,9}(?:\.\d{1,6})?)", re.ASCII)


def dollars(cents: int) -> str:
    return f"${cents // 100}.{cents % 100:02d}"


def cents(text: str) -> int | None:
    """The amount in a text, with or without its sign; None where there is none."""
    found = _DOLLARS.fullmatch(text.strip())
    return int((Decimal(found[1]) * 100).quantize(Decimal(1), ROUND_HALF_UP)) if found else None
