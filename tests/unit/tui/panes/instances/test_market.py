"""What a market told, as it stands beside instance types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flow_core.models.instance import AvailableInstance
from flow_core.models.market import PriceSeries, Quota
from flow_tui.panes.instances.market import CELLS, draw_prices, sample_prices, summarize_market

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
H100 = AvailableInstance("cloud", "auc_1", "8xh100", "here", 16.0, gpu_type="h100", gpu_count=8)


def series(*points: tuple[float, float]) -> PriceSeries:
    """(hours ago, price), oldest first."""
    times = tuple(NOW - timedelta(hours=hours) for hours, _ in points)
    return PriceSeries("8xh100", "here", times, tuple(Decimal(str(price)) for _, price in points))


def test_a_price_holds_until_the_next_one_and_is_unknown_before_the_first() -> None:
    prices = sample_prices(series((10, 1), (3, 2), (0, 3)), NOW)
    assert prices == [None] * 6 + [1.0] * 4 + [2.0] * 1 + [3.0]


def test_a_spark_rises_from_the_lowest_price_to_the_highest() -> None:
    assert draw_prices(sample_prices(series((24, 1), (12, 2), (1, 3)), NOW)) == "▁▁▁▁▁▅▅▅▅▅▅█"


def test_a_price_that_hardly_moves_is_a_low_line() -> None:
    assert draw_prices([16.0] * CELLS) == "▁" * CELLS
    assert set(draw_prices([16.0, 16.01] * (CELLS // 2))) <= {"▁", "▂"}


def test_a_market_without_history_draws_nothing() -> None:
    assert draw_prices(sample_prices(series(), NOW)) == ""


def test_the_tightest_quota_for_bids_counts() -> None:
    quotas = (
        Quota("a", "Spot", "instances", 2, 8, "8xh100"),
        Quota("b", "Spot", "instances", 7, 8, "8xh100"),
        Quota("c", "Reservations", "instances", 8, 8, "8xh100"),
        Quota("d", "Storage", "GB", 0, 100),
    )
    assert summarize_market((), quotas, NOW).count_left(H100) == 1
    assert summarize_market((), quotas[2:], NOW).count_left(H100) is None


@given(st.lists(st.tuples(st.floats(0, 500), st.decimals(0, 10_000, places=2, allow_nan=False)), max_size=60))
def test_any_history_is_at_most_a_spark_wide(points: list[tuple[float, Decimal]]) -> None:
    points.sort(key=lambda point: -point[0])
    spark = draw_prices(sample_prices(series(*((hours, float(price)) for hours, price in points)), NOW))
    assert len(spark) in (0, CELLS)
