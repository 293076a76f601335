"""Chooses the reservation of a new task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flow_core.agent.capacity import leases, queue, reservation_records
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_user_name
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
    """Returns the GPUs of the task with its reservation.

    The reservation is the one that the task names. Without a name it is an active reservation of this user that is
    large enough: required in mode `reserved`, used if there is one in mode `auto`. Refuses with the codes of this
    module.
    """
    reservation_id, mode, gpus = request.reservation, request.allocation_mode, request.gpus
    if reservation_id is None and mode == "spot":
        return gpus
    if not gpus.per_rank:
        return _plan_without_gpus(gpus, reservation_id, mode)
    layout.make()
    count = gpus.per_rank * request.ranks
    with queue.queue_lock(layout.root):
        reservations = reservation_records.update_and_load_live(layout.root)
        own = None if reservation_id is not None else _find_own_reservation(reservations, gpus, count, layout.root)
    if reservation_id is not None:
        return gpus._replace(reservation=_find_named(reservation_id, reservations, gpus, count, layout).reservation_id)
    if own is None and mode == "reserved":
        raise Refused(NOTHING_RESERVED, count=count, gpu_type=gpus.type)
    return gpus if own is None else gpus._replace(reservation=own.reservation_id)


def _plan_without_gpus(gpus: GpuPlan, reservation_id: str | None, mode: str) -> GpuPlan:
    if reservation_id is None and mode == "auto":
        return gpus
    raise Refused(BOOKED_WITHOUT_GPU, field="reservation_id" if reservation_id is not None else "allocation_mode")


def _find_named(
    reservation_id: str, reservations: Sequence[ReservationRecord], gpus: GpuPlan, count: int, layout: Layout
) -> ReservationRecord:
    reservation = next((one for one in reservations if one.reservation_id == reservation_id), None)
    if reservation is None:
        raise _explain_unavailable(reservation_id, layout)
    if (fitting := _count_fitting(reservation, gpus)) < count:
        raise Refused(BOOKED_TOO_SMALL, reservation_id=reservation_id, fitting=fitting, gpu_type=gpus.type, count=count)
    return reservation


def _explain_unavailable(reservation_id: str, layout: Layout) -> Refused:
    path = reservation_records.find_record(layout.root, reservation_id)
    if path is None:
        return Refused(BOOKED_UNKNOWN, reservation_id=reservation_id)
    try:
        return Refused(BOOKED_OVER, reservation_id=reservation_id, over=ReservationRecord.read(path).over)
    except MalformedRecord as error:
        return Refused(BOOKED_BROKEN, reservation_id=reservation_id, why=str(error))


def _find_own_reservation(
    reservations: Sequence[ReservationRecord], gpus: GpuPlan, needed: int, root: Path
) -> ReservationRecord | None:
    """Returns a reservation of this user that is large enough; None if there is none.

    Prefers a reservation with room for the task now, then the one that lasts longest.
    """
    me = get_user_name()
    large = [
        reservation
        for reservation in reservations
        if reservation.is_active and reservation.owner == me and _count_fitting(reservation, gpus) >= needed
    ]
    if len(large) < 2:
        return next(iter(large), None)
    waiting = [(ticket.reservation_id, ticket.gpu_count) for ticket in queue.list_tickets(root)]

    def has_room(reservation: ReservationRecord) -> bool:
        ahead = sum(count for reservation_id, count in waiting if reservation_id == reservation.reservation_id)
        return _count_fitting(reservation, gpus) - len(leases.find_holders(root, reservation.gpus)) - ahead >= needed

    return max(large, key=lambda reservation: (has_room(reservation), reservation.busy_until))


def _count_fitting(reservation: ReservationRecord, gpus: GpuPlan) -> int:
    return len(set(reservation.gpus).intersection(gpus.candidates))
