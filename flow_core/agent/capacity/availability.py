"""Computes the periods in which GPUs of this machine can be reserved, and selects the GPUs of a reservation."""

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

_PERIOD_S = 14 * 86400.0


class Opening(NamedTuple):
    """A period in which the same GPUs are free; `free` is their number."""

    start: float
    end: float
    free: int

    @classmethod
    def parse(cls, data: Any) -> Opening:
        """Parses an opening that another machine sent as JSON. Raises ValueError."""
        fields = Fields(data)
        return cls(fields.moment("start"), fields.moment("end"), fields.whole("free"))


def find_openings(
    gpu_ids: Sequence[str], uses: Sequence[GpuUse], now: float, start: float | None, end: float | None
) -> list[Opening]:
    """Returns the openings from `start` (`None`: now) to `end` (`None`: two weeks after the start).

    A reservation of at most `free` GPUs for an opening would be granted.
    """
    start_s = now if start is None else max(now, start)
    end_s = min(start_s + _PERIOD_S if end is None else end, reservation_records.LATEST)
    return [Opening(slot.start, slot.end, len(slot.gpus)) for slot in list_slots(gpu_ids, uses, start_s, end_s)]


def pick_gpus(reservation: ReservationRecord, gpu_ids: Sequence[str], uses: Sequence[GpuUse]) -> tuple[str, ...]:
    """Returns GPUs that the reservation can hold for its whole time; idle ones first.

    A task that runs or waits now blocks only a reservation that starts now: it may have ended by a later start. Refuses
    with GPUS_TAKEN, which lists the number of free GPUs and the other holders.
    """
    count = reservation.gpu_count * reservation.quantity
    blocking = [
        use
        for use in uses
        if (reservation.begun or use.is_planned) and use.overlaps(reservation.start, reservation.busy_until)
    ]
    free = find_free_gpus(gpu_ids, blocking, reservation.start, reservation.busy_until)
    if len(free) < count:
        holder_by_gpu = {use.gpu_id: use.holder for use in reversed(blocking)}
        raise Refused(
            GPUS_TAKEN,
            quantity=reservation.quantity,
            instance_type=reservation.instance_type,
            when=_describe_period(reservation),
            free=len(free),
            total=len(gpu_ids),
            others=[f"{number} {holder}" for holder, number in Counter(holder_by_gpu.values()).items()],
        )
    in_use = {use.gpu_id for use in uses if not use.is_planned}
    return tuple(sorted(free, key=in_use.__contains__)[:count])


def _describe_period(reservation: ReservationRecord) -> str:
    start = "now" if reservation.begun else f"from {reservation_records.format_time(reservation.start)}"
    return f"{start} {reservation_records.describe_end(reservation)}"
