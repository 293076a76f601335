"""When GPUs of this machine can be reserved, and which of them a reservation gets. Standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from flow_core.agent.capacity import reservation_records
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.capacity.timeline import GpuUse, find_free_gpus, list_slots
from flow_core.agent.record_fields import Fields
from flow_core.agent.refusals import Refused

GPUS_TAKEN = "reservation_gpus_taken"

_LOOK_AHEAD_S = 14 * 86400.0


class Opening(NamedTuple):
    """A stretch of time over which the same GPUs are free, so many."""

    start: float
    end: float
    free: int

    @classmethod
    def parse(cls, data: Any) -> Opening:
        """One that another machine sent, as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(fields.moment("start"), fields.moment("end"), fields.whole("free"))


def find_openings(
    gpu_ids: Sequence[str], uses: Sequence[GpuUse], now: float, start: float | None, end: float | None
) -> list[Opening]:
    """Those from `start` (`None`: now) to `end` (`None`: two weeks later).

    A reservation of so many GPUs for that time would be granted.
    """
    first = now if start is None else max(now, start)
    last = min(first + _LOOK_AHEAD_S if end is None else end, reservation_records.LATEST)
    return [Opening(slot.start, slot.end, len(slot.gpus)) for slot in list_slots(gpu_ids, uses, first, last)]


def pick_gpus(hold: ReservationRecord, gpu_ids: Sequence[str], uses: Sequence[GpuUse]) -> tuple[str, ...]:
    """GPUs that this reservation can have for all its time; idle ones first.

    What runs or waits now only stands in the way of one that starts now: by its start it may be gone. Refused:
    GPUS_TAKEN, which says what is free, and who has the rest.
    """
    count = hold.gpu_count * hold.quantity
    in_the_way = [use for use in uses if (hold.begun or use.is_planned) and use.overlaps(hold.start, hold.until)]
    free = find_free_gpus(gpu_ids, in_the_way, hold.start, hold.until)
    if len(free) < count:
        blocked = {use.gpu_id: use.by for use in reversed(in_the_way)}
        raise Refused(
            GPUS_TAKEN,
            quantity=hold.quantity,
            instance_type=hold.instance_type,
            when=_span(hold),
            free=len(free),
            total=len(gpu_ids),
            others=[f"{number} {by}" for by, number in Counter(blocked.values()).items()],
        )
    in_use = {use.gpu_id for use in uses if not use.is_planned}
    return tuple(sorted(free, key=in_use.__contains__)[:count])


def _span(hold: ReservationRecord) -> str:
    start = "now" if hold.begun else f"from {reservation_records.format_time(hold.start)}"
    return f"{start} {reservation_records.describe_end(hold)}"
