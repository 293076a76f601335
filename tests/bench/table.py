"""A measured number beside its goal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One number. Smaller is better; `note` says what it is made of."""

    name: str
    value: float
    goal: float
    unit: str
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.value <= self.goal


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def p95(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def show(rows: Sequence[Row]) -> None:
    """Prints rows as they come, so that a long run can be watched."""
    for row in rows:
        verdict = "ok  " if row.is_met else "MISS"
        measured = f"{row.value:.{2 if row.value < 10 else 1}f} {row.unit}"
        print(f"{verdict} {row.name:<28} {measured:>11}   goal {row.goal:g} {row.unit:<5} {row.note}", flush=True)
