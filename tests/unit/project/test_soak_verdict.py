"""What a soak calls growth."""

from __future__ import annotations

import random

import pytest
from soak.verdict import Sample, find_growth, slope_per_hour

ROUNDS = 80


def make_samples(mb_per_hour: float = 0.0, noise_mb: float = 0.3, **changes: list[float]) -> list[Sample]:
    """Samples of 20 minutes; in the first five, caches fill."""
    chance = random.Random(1)
    samples = []
    for number in range(ROUNDS):
        time = number * 15.0
        filled = min(number, 20) * 2.0
        rss = 50 + filled + mb_per_hour * time / 3600 + chance.uniform(-noise_mb, noise_mb)
        rest = {"descriptors": 20.0 + number % 3, "threads": 8.0, "timers": 12.0 + number % 5, "tasks": 40.0}
        rest |= {name: values[number] for name, values in changes.items()}
        samples.append({"time": time, "rss_mb": rss} | rest)
    return samples


def test_memory_that_fills_caches_and_then_stays_is_no_growth() -> None:
    assert list(find_growth(make_samples())) == []


@pytest.mark.parametrize("mb_per_hour", [5.0, 60.0])
def test_memory_that_grows_after_the_first_minutes_is_reported(mb_per_hour: float) -> None:
    (problem,) = find_growth(make_samples(mb_per_hour))
    assert problem.startswith("memory grows by")
    assert problem.endswith("MB per hour; the limit is 1")


def test_a_single_peak_is_no_growth() -> None:
    samples = make_samples()
    samples[-1]["rss_mb"] += 30
    assert list(find_growth(samples)) == []


@pytest.mark.parametrize("name", ["descriptors", "threads", "timers", "tasks"])
def test_one_descriptor_thread_timer_or_task_more_in_each_round_is_reported(name: str) -> None:
    growing = [10.0 + number for number in range(ROUNDS)]
    (problem,) = find_growth(make_samples(**{name: growing}))
    assert problem.startswith(f"{name} grow: at most ")


def test_a_slope_is_that_of_most_samples() -> None:
    samples = make_samples(mb_per_hour=4.0, noise_mb=0.0)[20:]
    samples[30]["rss_mb"] = 500.0
    assert slope_per_hour(samples, "rss_mb") == pytest.approx(4.0, abs=0.1)
