"""The arrivals of a log without a sidecar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.logs.merged.arrival import ArrivalTimes


@limit_examples(25)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 99)), min_size=1))
def test_each_byte_has_the_time_of_its_arrival_and_times_never_decrease(growth: list[tuple[int, int]]) -> None:
    arrivals, expected, latest = ArrivalTimes(), [], 0
    for count, time_us in growth:
        arrivals.note(len(expected), time_us)
        latest = max(latest, time_us)
        expected += [latest] * count
    assert [arrivals.get_time_us(offset) for offset in range(len(expected))] == expected
    for time_us in range(100):
        first = next((offset for offset, time in enumerate(expected) if time >= time_us), None)
        assert arrivals.find_offset(time_us) == first


def test_arrivals_take_bounded_memory_and_get_coarser() -> None:
    arrivals = ArrivalTimes()
    for offset in range(100_000):
        arrivals.note(offset, offset)
    assert len(arrivals._offsets) <= 4_096
    for offset in (0, 1_000, 50_000, 99_999):
        assert 0 <= offset - arrivals.get_time_us(offset) < 200
    arrivals.clear()
    assert (arrivals.get_time_us(5), arrivals.find_offset(0), arrivals.last_us) == (0, None, None)
