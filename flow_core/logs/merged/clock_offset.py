"""The difference between the clock of another machine and the clock of this one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """A machine's clock is ahead of this one's by `offset_s` (behind it, if negative), give or take `uncertainty_s`."""

    offset_s: float
    uncertainty_s: float

    @classmethod
    def measure(cls, sent_s: float, answered_s: float, remote_s: float) -> ClockOffset:
        """Returns the offset by one answer, in seconds since the epoch.

        The machine read `remote_s` from its clock between `sent_s` and `answered_s` of this one's. The best estimate is
        that it did so halfway.
        """
        round_trip_s = max(0.0, answered_s - sent_s)
        return cls(remote_s - (sent_s + round_trip_s / 2), round_trip_s / 2)

    @property
    def offset_us(self) -> int:
        return round(self.offset_s * 1_000_000)


class LogClock(NamedTuple):
    """The clocks of a log. `has_writer_times`: its recorded times are those of the writer, by the writer's clock.

    Otherwise they are arrivals, by this machine's clock. `offset` is that of the writer's clock; None if the writer is
    on this machine, or if its clock could not be read.
    """

    has_writer_times: bool
    offset: ClockOffset | None


def choose_best_offset(samples: Iterable[ClockOffset]) -> ClockOffset | None:
    """Returns the sample with the shortest round trip; None without samples."""
    return min(samples, key=lambda sample: sample.uncertainty_s, default=None)
