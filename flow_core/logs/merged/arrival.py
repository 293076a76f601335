"""When the bytes of a log arrived, for a log without a sidecar."""

from __future__ import annotations

from bisect import bisect_right

_MOST_MARKS = 4096


class ArrivalTimes:
    """The times at which a reader noticed the growth of a log. Uses bounded memory: all times get coarser."""

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._times_us: list[int] = []
        self._interval_us = 0

    def note(self, offset: int, time_us: int) -> None:
        """Records that the bytes from `offset` on arrived at `time_us`. Times never decrease."""
        if self._times_us and 0 <= time_us - self._times_us[-1] < self._interval_us:
            return
        self._offsets.append(offset)
        self._times_us.append(max(time_us, self.last_us or 0))
        if len(self._offsets) > _MOST_MARKS:
            del self._offsets[1::2], self._times_us[1::2]
            self._interval_us = (self._times_us[-1] - self._times_us[0]) // len(self._times_us)

    @property
    def last_us(self) -> int | None:
        return self._times_us[-1] if self._times_us else None

    def get_time_us(self, offset: int) -> int:
        """Returns the arrival of the byte at `offset`; 0 if nothing was noted."""
        number = bisect_right(self._offsets, offset) - 1
        return self._times_us[max(0, number)] if self._times_us else 0

    def find_offset(self, time_us: int) -> int | None:
        """Returns the first offset that arrived at `time_us` or later; None if there is none yet."""
        number = next((number for number, time in enumerate(self._times_us) if time >= time_us), None)
        return None if number is None else self._offsets[number]

    def copy(self) -> ArrivalTimes:
        copied = ArrivalTimes()
        copied._offsets, copied._times_us, copied._interval_us = self._offsets[:], self._times_us[:], self._interval_us
        return copied

    def clear(self) -> None:
        self._offsets.clear()
        self._times_us.clear()
        self._interval_us = 0
