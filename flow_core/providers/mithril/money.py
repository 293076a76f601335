"""Money, which the API writes as "$12.50", as a number, or in cents, by the field."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

_CENT = Decimal("0.01")
_MOST = Decimal(10) ** 9


def dollars(value: Any) -> Decimal | None:
    """USD of "$12.50", "12.5" or 12.5; None for null and for what is no price."""
    text = str(value).strip().removeprefix("$").replace(",", "") if isinstance(value, str | int | float) else ""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if not isinstance(value, bool) and amount.is_finite() and 0 <= amount < _MOST else None


def dollars_of_cents(value: Any) -> Decimal | None:
    """USD of a field in cents."""
    amount = dollars(value)
    return None if amount is None else amount / 100


def written(amount: Decimal) -> str:
    """As the API takes it, and as people read it: "$12.50"."""
    return f"${amount.quantize(_CENT)}"


def in_cents(amount: Decimal) -> int:
    """What is dearer by a part of a cent is a cent dearer."""
    return int((amount * 100).to_integral_value(ROUND_CEILING))
