"""Judges the samples of a soak: what grew that must not."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations

WARM_UP = 0.25
"""The share of the time that isn't judged: caches fill."""
MB_PER_HOUR = 1.0
COUNTS = ("descriptors", "threads", "timers", "tasks")
Sample = dict[str, float]


def find_growth(samples: Sequence[Sample]) -> Iterator[str]:
    """Yields a sentence for each thing that grew. The samples were taken in the same state again and again."""
    judged = list(drop_warm_up(samples))
    slope = slope_per_hour(judged, "rss_mb")
    grown_mb, noise_mb = slope * hours_of(judged), noise_of(judged, "rss_mb", slope)
    if slope >= MB_PER_HOUR and grown_mb > noise_mb:
        yield f"memory grows by {slope:.1f} MB per hour; the limit is {MB_PER_HOUR:g}"
    half = len(judged) // 2
    for name in COUNTS:
        before = max(sample[name] for sample in judged[:half])
        after = min(sample[name] for sample in judged[half:])
        if after > before:
            yield f"{name} grow: at most {before:g} in the first half, at least {after:g} in the second"


def drop_warm_up(samples: Sequence[Sample]) -> Iterator[Sample]:
    began, ended = samples[0]["time"], samples[-1]["time"]
    return (sample for sample in samples if sample["time"] >= began + WARM_UP * (ended - began))


def slope_per_hour(samples: Sequence[Sample], name: str) -> float:
    """The median of the slopes between all pairs of samples: single samples that stand out don't change it."""
    slopes = [
        (later[name] - earlier[name]) / (later["time"] - earlier["time"]) for earlier, later in combinations(samples, 2)
    ]
    return statistics.median(slopes) * 3600


def noise_of(samples: Sequence[Sample], name: str, slope: float) -> float:
    """How far half of the samples lie from the line of this slope."""
    began = samples[0]["time"]
    rests = [sample[name] - slope * (sample["time"] - began) / 3600 for sample in samples]
    middle = statistics.median(rests)
    return statistics.median(abs(rest - middle) for rest in rests)


def hours_of(samples: Sequence[Sample]) -> float:
    return (samples[-1]["time"] - samples[0]["time"]) / 3600
