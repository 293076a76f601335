"""The arithmetic of who has which GPU when."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flow_core.agent.capacity.timeline import GpuUse, find_free_gpus, list_slots

GPUS = ("a", "b", "c")
MOMENTS = st.integers(0, 20).map(float)
USES = st.builds(
    lambda gpu, start, length: GpuUse(gpu, start, start + length),
    st.sampled_from((*GPUS, "another")),
    MOMENTS,
    st.one_of(st.integers(1, 10).map(float), st.just(math.inf)),
)
LISTS_OF_USES = st.lists(USES, max_size=8)


@given(LISTS_OF_USES, MOMENTS, st.integers(1, 20))
def test_at_every_moment_the_slots_say_just_what_nobody_uses(uses: list[GpuUse], start: float, length: int) -> None:
    end = start + length
    found = list_slots(GPUS, uses, start, end)
    for tick in range(2 * length):
        moment = start + tick / 2 + 0.25
        free = {gpu for gpu in GPUS if not any(u.gpu_id == gpu and u.start <= moment < u.end for u in uses)}
        gpus = [slot.gpus for slot in found if slot.start <= moment < slot.end]
        assert gpus == ([free] if free else [])


@given(LISTS_OF_USES, MOMENTS, st.integers(1, 20))
def test_slots_come_in_order_within_the_window_and_no_two_could_be_one(
    uses: list[GpuUse], start: float, length: int
) -> None:
    found = list_slots(GPUS, uses, start, start + length)
    assert all(start <= slot.start < slot.end <= start + length for slot in found)
    for one, other in pairwise(found):
        assert one.end < other.start or (one.end == other.start and one.gpus != other.gpus)


@given(LISTS_OF_USES, MOMENTS, st.integers(1, 20))
def test_what_a_slot_offers_is_free_for_all_of_it(uses: list[GpuUse], start: float, length: int) -> None:
    for slot in list_slots(GPUS, uses, start, start + length):
        assert set(find_free_gpus(GPUS, uses, slot.start, slot.end)) == slot.gpus


def test_a_use_that_ends_as_another_time_begins_is_not_in_its_way() -> None:
    uses = [GpuUse("a", 10, 20)]
    assert find_free_gpus(["a"], uses, 20, 30) == ["a"]
    assert find_free_gpus(["a"], uses, 0, 10) == ["a"]
    assert find_free_gpus(["a"], uses, 19, 30) == []
    assert [(slot.start, slot.end) for slot in list_slots(["a"], uses, 0, 30)] == [(0, 10), (20, 30)]


def test_nothing_is_offered_in_no_time() -> None:
    assert list_slots(GPUS, [], 10, 10) == []
    assert list_slots(GPUS, [], 10, 5) == []
