"""Amounts as the API writes and reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.emulator.money import format_dollars, parse_cents


@given(st.integers(0, 10**10))
def test_what_is_written_is_read_again(amount: int) -> None:
    assert parse_cents(format_dollars(amount)) == amount


@each(
    ("text", "amount"),
    [("$12.50", 1250), ("12.5", 1250), (" $3 ", 300), ("$0.005", 1), ("$0.004", 0), ("$007", 700)],
)
def test_an_amount_is_read_with_or_without_its_sign(text: str, amount: int) -> None:
    assert parse_cents(text) == amount


@each("text", ["", "$", "-1", "$-1", "1e3", "1,000", "nan", "$1.", ".5", "$1 2", "١٢", "9" * 12])
def test_an_invalid_amount_is_none(text: str) -> None:
    assert parse_cents(text) is None
