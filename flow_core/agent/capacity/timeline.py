"""The GPUs of this machine over time: which are free when, from what is known to hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple


class GpuUse(NamedTuple):
    """Somebody has a GPU from `start` up to, and without, `end` (seconds since the epoch, or infinite).

    `by` says who, in words: "reserved until 14:00 by res_abc". Only what is planned can be there later than now.
    """

    gpu_id: str
    start: float
    end: float
    by: str = ""
    is_planned: bool = False

    def overlaps(self, start: float, end: float) -> bool:
        return self.start < end and start < self.end


class TimeSlot(NamedTuple):
    """A stretch of time over which the same GPUs are free."""

    start: float
    end: float
    gpus: frozenset[str]


def find_free_gpus(gpu_ids: Iterable[str], uses: Collection[GpuUse], start: float, end: float) -> list[str]:
    """The GPUs that nobody has at any moment of this time, in the order given."""
    used = {use.gpu_id for use in uses if use.overlaps(start, end)}
    return [gpu_id for gpu_id in gpu_ids if gpu_id not in used]


def list_slots(gpu_ids: Collection[str], uses: Collection[GpuUse], start: float, end: float) -> list[TimeSlot]:
    """The time from `start` to `end` in order, cut wherever a GPU is taken or let go; where none is free, nothing."""
    found: list[TimeSlot] = []
    for one in _pieces(gpu_ids, uses, start, end) if start < end else ():
        if found and found[-1].end == one.start and found[-1].gpus == one.gpus:
            found[-1] = found[-1]._replace(end=one.end)
        elif one.gpus:
            found.append(one)
    return found


def _pieces(gpu_ids: Collection[str], uses: Collection[GpuUse], start: float, end: float) -> Iterator[TimeSlot]:
    ours = [use for use in uses if use.gpu_id in gpu_ids and use.overlaps(start, end)]
    cuts = {moment for use in ours for moment in (use.start, use.end) if start < moment < end}
    moments = sorted({start, end} | cuts)
    for one, other in zip(moments, moments[1:]):
        yield TimeSlot(one, other, frozenset(find_free_gpus(gpu_ids, ours, one, other)))
