"""Limits, markets and the room between them, in words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from testbed.tables import each

from flow_core.errors import ConfigError
from flow_core.models.task import TaskBid, TaskRecord, TaskStatus
from flow_tui.bid_prices import describe_limit, format_margin, get_bid_prices, parse_usd, propose_limit


@each(("text", "usd"), [("12", "12"), (" $12.50 ", "12.50"), ("$ 0.5", "0.5"), ("0.0375", "0.0375")])
def test_dollars_are_read_as_people_write_them(text: str, usd: str) -> None:
    assert parse_usd(text) == Decimal(usd)


@each("text", ["", "0", "0.00", "-3", "1e3", "nan", "inf", "12,50", "12.50 EUR", "1" * 30, "١٢"])
def test_what_is_no_price_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_usd(text)
    assert refused.value.field == "limit_usd_per_hour"


@each(
    ("limit", "market", "expected"),
    [
        ("15", "10", "50% above the market price"),
        ("10", "10", "none: the next price rise stops this task"),
        ("5", "10", "none: the limit is 50% below the market price"),
        ("5", None, ""),
        (None, "5", ""),
        ("5", "0", ""),
    ],
)
def test_the_margin_is_how_far_the_price_may_rise(limit: str | None, market: str | None, expected: str) -> None:
    assert format_margin(*(None if usd is None else Decimal(usd) for usd in (limit, market))) == expected


def test_a_limit_is_told_for_one_and_for_all() -> None:
    line = describe_limit(Decimal("1250.5"), 4, Decimal("1000.4"))
    assert line == "at most $1,250.50/h per instance, $5,002.00/h total; 25% above the market price of $1,000.40/h"
    assert describe_limit(Decimal(3), 1, None) == "at most $3.00/h"


def test_a_limit_without_a_margin_says_what_that_means() -> None:
    line = describe_limit(Decimal(10), 1, Decimal(10))
    assert line == "at most $10.00/h; no margin: the next rise above $10.00/h stops this task"
    assert describe_limit(Decimal(5), 1, Decimal(10)) == "at most $5.00/h; 50% below the market price of $10.00/h"


@each(("market", "limit"), [("17.60", "22.00"), ("0.33", "0.42"), ("12.345", "15.44")])
def test_a_proposed_limit_leaves_a_margin_of_a_quarter(market: str, limit: str) -> None:
    assert propose_limit(Decimal(market)) == Decimal(limit)


def test_a_bid_is_that_of_the_record_and_never_read_from_its_metadata() -> None:
    task = TaskRecord("cloud", "bid_1", "train", TaskStatus.PENDING, provider_metadata={"limit_price": "$12.50"})
    assert get_bid_prices(task) == (None, None)
    assert get_bid_prices(replace(task, bid=TaskBid("Open", Decimal("12.50")))) == (Decimal("12.50"), None)
