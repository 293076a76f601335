"""A measured number beside its goal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One number. `note` says what it is made of.

    The number must be at most the goal; with `is_minimum`, at least the goal. None if there is nothing to measure.
    """

    name: str
    value: float | None
    goal: float
    unit: str
    note: str = ""
    is_minimum: bool = False

    @property
    def is_met(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.goal if self.is_minimum else self.value <= self.goal

    @property
    def target(self) -> str:
        return f"{'>=' if self.is_minimum else '<='} {self.goal:g} {self.unit}"

    @property
    def figure(self) -> str:
        if self.value is None:
            return "none"
        digits = 3 if abs(self.value) < 0.1 else 2 if abs(self.value) < 10 else 1
        return f"{self.value:.{digits}f} {self.unit}"


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def p95(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def show(rows: Sequence[Row]) -> None:
    """Prints rows as they come, so that a long run can be watched."""
    for row in rows:
        verdict = "ok  " if row.is_met else "MISS"
        print(f"{verdict} {row.name:<52} {row.figure:>12}   target {row.target:<12} {row.note}", flush=True)
