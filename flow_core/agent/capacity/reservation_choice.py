"""Which reservation a new task goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flow_core.agent.capacity import leases, queue, reservation_records
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.layout import Layout
from flow_core.agent.machine import user_name
from flow_core.agent.records import MalformedRecord
from flow_core.agent.refusals import Refused
from flow_core.agent.spec import GpuPlan
from flow_core.agent.submit_request import SubmitRequest

BOOKED_WITHOUT_GPU = "booked_without_gpu"
BOOKED_UNKNOWN = "booked_unknown"
BOOKED_TOO_SMALL = "booked_too_small"
BOOKED_OVER = "booked_over"
BOOKED_BROKEN = "booked_broken"
NOTHING_RESERVED = "nothing_reserved"


def choose_reservation(request: SubmitRequest, layout: Layout) -> GpuPlan:
    """The GPUs that the task wants, with the reservation they are to be had from.

    The one it names; without a name, in mode `reserved`, one of this user's that is active and large enough, and
    so in mode `auto` if there is one. Refuses with the codes of this module.
    """
    wanted, mode, gpus = request.reservation, request.allocation_mode, request.gpus
    if wanted is None and mode == "spot":
        return gpus
    if not gpus.per_rank:
        return _without_gpus(gpus, wanted, mode)
    layout.make()
    count = gpus.per_rank * request.ranks
    with queue.queue_lock(layout.root):
        reserved = reservation_records.load_live(layout.root)
        own = None if wanted is not None else _own(reserved, gpus, count, layout.root)
    if wanted is not None:
        return gpus._replace(reservation=_named(wanted, reserved, gpus, count, layout).reservation_id)
    if own is None and mode == "reserved":
        raise Refused(NOTHING_RESERVED, count=count, gpu_type=gpus.type)
    return gpus if own is None else gpus._replace(reservation=own.reservation_id)


def _without_gpus(gpus: GpuPlan, wanted: str | None, mode: str) -> GpuPlan:
    if wanted is None and mode == "auto":
        return gpus
    raise Refused(BOOKED_WITHOUT_GPU, field="reservation_id" if wanted is not None else "allocation_mode")


def _named(
    wanted: str, reserved: Sequence[ReservationRecord], gpus: GpuPlan, count: int, layout: Layout
) -> ReservationRecord:
    hold = next((hold for hold in reserved if hold.reservation_id == wanted), None)
    if hold is None:
        raise _not_live(wanted, layout)
    if (fitting := _fitting(hold, gpus)) < count:
        raise Refused(BOOKED_TOO_SMALL, reservation_id=wanted, fitting=fitting, gpu_type=gpus.type, count=count)
    return hold


def _not_live(wanted: str, layout: Layout) -> Refused:
    path = reservation_records.find_record(layout.root, wanted)
    if path is None:
        return Refused(BOOKED_UNKNOWN, reservation_id=wanted)
    try:
        return Refused(BOOKED_OVER, reservation_id=wanted, over=ReservationRecord.read(path).over)
    except MalformedRecord as error:
        return Refused(BOOKED_BROKEN, reservation_id=wanted, why=str(error))


def _own(reserved: Sequence[ReservationRecord], gpus: GpuPlan, count: int, root: Path) -> ReservationRecord | None:
    """This user's, and of several first one with room for the task now, then the one that lasts longest."""
    me = user_name()
    large = [hold for hold in reserved if hold.is_active and hold.owner == me and _fitting(hold, gpus) >= count]
    if len(large) < 2:
        return next(iter(large), None)
    wanted = [(ticket.reservation_id, ticket.gpu_count) for ticket in queue.list_tickets(root)]

    def has_room(hold: ReservationRecord) -> bool:
        ahead = sum(number for reservation_id, number in wanted if reservation_id == hold.reservation_id)
        return _fitting(hold, gpus) - len(leases.find_holders(root, hold.gpus)) - ahead >= count

    return max(large, key=lambda hold: (has_room(hold), hold.until))


def _fitting(hold: ReservationRecord, gpus: GpuPlan) -> int:
    return len(set(hold.gpus).intersection(gpus.candidates))
