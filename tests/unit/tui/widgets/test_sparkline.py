"""Numbers as rows of blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flow_tui.widgets.sparkline import draw_bar, draw_sparkline


def test_a_spark_shows_the_last_values_at_the_right_edge() -> None:
    assert draw_sparkline([0, 50, 100], 100, 3) == "▁▅█"
    assert draw_sparkline([0, 50, 100], 100, 2) == "▅█"
    assert draw_sparkline([100, None, 0], 100, 5) == "  █ ▁"
    assert draw_sparkline([], 100, 2) == "  "


def test_a_bar_is_filled_by_its_share() -> None:
    assert (draw_bar(0, 4), draw_bar(0.5, 4), draw_bar(1, 4)) == ("░░░░", "▓▓░░", "▓▓▓▓")
    assert draw_bar(None, 4) == "    "


@given(
    st.lists(st.none() | st.floats(allow_nan=False)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 9),
)
def test_no_number_breaks_the_width(values: list[float | None], most: float, width: int) -> None:
    values = [None if value is None or abs(value) > 1e12 else value for value in values]
    assert len(draw_sparkline(values, most if abs(most) > 1e-6 else 0, width)) == width
    assert len(draw_bar(values[0] if values else None, width)) == width
