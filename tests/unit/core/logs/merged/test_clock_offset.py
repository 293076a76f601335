"""The offset of a clock, by answers that take their time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.logs.merged.clock_offset import ClockOffset, choose_best_offset

DELAYS = st.floats(0.0, 2.0)


@limit_examples(25)
@given(st.floats(-1e5, 1e5), st.lists(st.tuples(DELAYS, DELAYS), min_size=1, max_size=6))
def test_the_real_offset_lies_within_the_uncertainty_of_the_shortest_round_trip(
    offset_s: float, delays: list[tuple[float, float]]
) -> None:
    samples = [ClockOffset.measure(1e9, 1e9 + there + back, 1e9 + there + offset_s) for there, back in delays]
    best = choose_best_offset(samples)
    assert best is not None
    assert abs(best.offset_s - offset_s) <= best.uncertainty_s + 1e-6
    assert best.uncertainty_s == min(sample.uncertainty_s for sample in samples)


def test_without_an_answer_there_is_no_offset() -> None:
    assert choose_best_offset([]) is None
