"""The use of this machine's GPUs over time, and the periods in which they are free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple


class GpuUse(NamedTuple):
    """One use of a GPU, from `start` up to but not including `end` (seconds since the epoch, or infinite).

    `holder` describes the user in words: "reserved until 14:00 by res_abc". Only a planned use can start later than
    now.
    """

    gpu_id: str
    start: float
    end: float
    holder: str = ""
    is_planned: bool = False

    def overlaps(self, start: float, end: float) -> bool:
        return self.start < end and start < self.end


class TimeSlot(NamedTuple):
    """A period in which the same GPUs are free."""

    start: float
    end: float
    gpus: frozenset[str]


def find_free_gpus(gpu_ids: Iterable[str], uses: Collection[GpuUse], start: float, end: float) -> list[str]:
    """Returns the GPUs that are free during the whole period, in the given order."""
    used = {use.gpu_id for use in uses if use.overlaps(start, end)}
    return [gpu_id for gpu_id in gpu_ids if gpu_id not in used]


def list_slots(gpu_ids: Collection[str], uses: Collection[GpuUse], start: float, end: float) -> list[TimeSlot]:
    """Returns the slots from `start` to `end` in order. A new slot begins when a GPU is taken or becomes free.

    Periods without a free GPU are left out.
    """
    found: list[TimeSlot] = []
    for slot in _split(gpu_ids, uses, start, end) if start < end else ():
        if found and found[-1].end == slot.start and found[-1].gpus == slot.gpus:
            found[-1] = found[-1]._replace(end=slot.end)
        elif slot.gpus:
            found.append(slot)
    return found


def _split(gpu_ids: Collection[str], uses: Collection[GpuUse], start: float, end: float) -> Iterator[TimeSlot]:
    uses_of_gpus = [use for use in uses if use.gpu_id in gpu_ids and use.overlaps(start, end)]
    cuts = {moment for use in uses_of_gpus for moment in (use.start, use.end) if start < moment < end}
    moments = sorted({start, end} | cuts)
    for slot_start, slot_end in zip(moments, moments[1:]):
        yield TimeSlot(slot_start, slot_end, frozenset(find_free_gpus(gpu_ids, uses_of_gpus, slot_start, slot_end)))
