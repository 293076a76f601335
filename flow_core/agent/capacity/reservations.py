"""Creates, lists and releases reservations of this machine's GPUs, for one context."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flow_core.agent.capacity import queue, reservation_records
from flow_core.agent.capacity.availability import Opening, find_openings, pick_gpus
from flow_core.agent.capacity.gpu_uses import collect_gpu_uses, reap_lost_tasks
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.capacity.reservation_report import ReservationReport, ReservationRequest
from flow_core.agent.layout import Layout
from flow_core.agent.machine_id import get_user_name, make_new_id
from flow_core.agent.records import MalformedRecord, NewerRecord
from flow_core.agent.refusals import Refused

NO_RESERVATION = "no_reservation"
NOT_GIVEN_BACK = "reservation_not_given_back"
STARTS_IN_PAST = "reservation_starts_in_past"
STARTS_TOO_LATE = "reservation_starts_too_late"

_START_TOLERANCE_S = 60.0  # a start this long ago counts as now, since users need time to enter it
_START_MAX_AHEAD_S = 10 * 365.25 * 86400


class Reservations:
    """The reservations of this machine. They exclude the tasks of all its contexts. Blocking."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._past_reports: dict[str, ReservationReport] = {}

    def make(self, request: ReservationRequest) -> ReservationReport:
        """Creates a reservation. Refuses with STARTS_IN_PAST, STARTS_TOO_LATE, GPUS_TAKEN.

        With an id in the request, calling it again is safe.
        """
        root = self._layout.root
        self._layout.make()
        if (
            request.reservation_id is not None
            and reservation_records.find_record(root, request.reservation_id) is not None
        ):
            return self.get(request.reservation_id)
        reap_lost_tasks(root, request.candidates)
        with self._lock() as now:
            record = self._plan(request, now)
            uses = collect_gpu_uses(root, request.candidates, reservation_records.update_and_load_live(root, now), now)
            record = record._replace(gpus=pick_gpus(record, request.candidates, uses))
            reservation_records.remove_staging_files(root)
            reservation_records.save_record(root, record)
        return ReservationReport.of(record)

    def list_all(self) -> list[ReservationReport]:
        """Returns all reservations, newest first.

        A reservation with a broken record has the status `failed`, and its message gives the reason.
        """
        folder = self._layout.root / "reservations"
        with self._lock() as now:
            reservation_records.update_and_load_live(self._layout.root, now)
            found = [self._read(path, now) for path in reservation_records.list_files(folder)]
        found += [self._read_past(path) for path in reservation_records.list_files(folder / "past")]
        return sorted(found, key=lambda one: (one.created_at, one.reservation_id), reverse=True)

    def get(self, reservation_id: str) -> ReservationReport:
        """Returns a reservation. Refuses with NO_RESERVATION."""
        with self._lock() as now:
            reservation_records.update_and_load_live(self._layout.root, now)
            return self._read(self._find_path(reservation_id), now)

    def release(self, reservation_id: str) -> None:
        """Ends a reservation. Calling it again is safe.

        Refuses with NO_RESERVATION, and with NOT_GIVEN_BACK if a newer version wrote the record.
        """
        root = self._layout.root
        with self._lock() as now:
            reservation_records.update_and_load_live(root, now)
            path = self._find_path(reservation_id)
            try:
                record = ReservationRecord.read(path).at_time(now)
            except NewerRecord as error:
                raise Refused(NOT_GIVEN_BACK, reservation_id=reservation_id, why=str(error)) from error
            except MalformedRecord:
                path.replace(root / "reservations" / "past" / path.name)
                return
            if record.over:
                return
            reservation_records.save_record(
                root, record._replace(over=reservation_records.CANCELED, end=min(record.end, max(now, record.start)))
            )
        queue.notify_waiting(root)

    def find_openings(self, gpu_ids: Sequence[str], start: float | None, end: float | None) -> list[Opening]:
        """Returns the periods in which GPUs can be reserved, as `find_openings` does."""
        root = self._layout.root
        with self._lock() as now:
            uses = collect_gpu_uses(root, gpu_ids, reservation_records.update_and_load_live(root, now), now)
        return find_openings(gpu_ids, uses, now, start, end)

    @contextmanager
    def _lock(self) -> Iterator[float]:
        """Holds the queue's lock; yields the time at which it was taken."""
        self._layout.make()
        with queue.queue_lock(self._layout.root):
            yield time.time()

    def _plan(self, request: ReservationRequest, now: float) -> ReservationRecord:
        """Returns the reservation without its GPUs. Refuses with STARTS_IN_PAST, STARTS_TOO_LATE.

        The start is a whole second, so that users see the exact start.
        """
        requested_start = now if request.start is None else request.start
        if requested_start < now - _START_TOLERANCE_S:
            raise Refused(STARTS_IN_PAST)
        if requested_start > now + _START_MAX_AHEAD_S:
            raise Refused(STARTS_TOO_LATE)
        start = float(int(requested_start))
        return ReservationRecord(
            reservation_id=request.reservation_id or make_new_id("res"),
            context=self._layout.context,
            owner=get_user_name(),
            name=request.name,
            instance_type=request.instance_type,
            gpu_count=request.gpu_count,
            quantity=request.quantity,
            gpus=(),
            start=start,
            end=start + request.duration_s,
            duration_s=request.duration_s,
            auto_renew=request.auto_renew,
            created_at=now,
        ).at_time(now)

    def _find_path(self, reservation_id: str) -> Path:
        path = reservation_records.find_record(self._layout.root, reservation_id)
        if path is None:
            raise Refused(NO_RESERVATION, reservation_id=reservation_id)
        return path

    def _read(self, path: Path, now: float) -> ReservationReport:
        try:
            return ReservationReport.of(ReservationRecord.read(path).at_time(now))
        except NewerRecord as error:
            status = "ended" if path.parent.name == "past" else "pending"
            return ReservationReport(path.stem, status, self._layout.context, str(error))
        except MalformedRecord as error:
            why = f"its record is broken, so it reserves nothing: {error}"
            return ReservationReport(path.stem, "failed", self._layout.context, why)

    def _read_past(self, path: Path) -> ReservationReport:
        """Returns an ended reservation; it never changes, so it is read once."""
        if path.name not in self._past_reports:
            self._past_reports[path.name] = self._read(path, time.time())
        return self._past_reports[path.name]
