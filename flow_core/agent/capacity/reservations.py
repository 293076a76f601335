"""Reservations: GPUs of this machine kept for somebody's hours, in every context of it. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flow_core.agent.capacity import queue, reservation_records
from flow_core.agent.capacity.availability import Opening, find_openings, pick_gpus
from flow_core.agent.capacity.demand import collect_gpu_uses, reap_lost_tasks
from flow_core.agent.capacity.reservation_records import ReservationRecord
from flow_core.agent.capacity.reservation_report import ReservationReport, ReservationRequest
from flow_core.agent.layout import Layout
from flow_core.agent.machine import new_id, user_name
from flow_core.agent.records import MalformedRecord, NewerRecord
from flow_core.agent.refusals import Refused

NO_RESERVATION = "no_reservation"
NOT_GIVEN_BACK = "reservation_not_given_back"
STARTS_IN_PAST = "reservation_starts_in_past"
STARTS_TOO_LATE = "reservation_starts_too_late"

_LATE_S = 60.0  # a start this long ago still means now: people take their time
_AHEAD_S = 10 * 365.25 * 86400


class Reservations:
    """The reservations of this machine, as one context asks for them. Blocking."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._over: dict[str, ReservationReport] = {}

    def make(self, wish: ReservationRequest) -> ReservationReport:
        """Refused: STARTS_IN_PAST, STARTS_TOO_LATE, GPUS_TAKEN."""
        root = self._layout.root
        self._layout.make()
        if wish.reservation_id is not None and reservation_records.find_record(root, wish.reservation_id) is not None:
            return self.get(wish.reservation_id)
        reap_lost_tasks(root, wish.candidates)
        with self._lock() as now:
            hold = self._planned(wish, now)
            uses = collect_gpu_uses(root, wish.candidates, reservation_records.load_live(root, now), now)
            hold = hold._replace(gpus=pick_gpus(hold, wish.candidates, uses))
            reservation_records.remove_staging_files(root)
            reservation_records.save_record(root, hold)
        return ReservationReport.of(hold)

    def all(self) -> list[ReservationReport]:
        """The last made first; one whose record is broken is `failed`, and its message says why."""
        folder = self._layout.root / "reservations"
        with self._lock() as now:
            reservation_records.load_live(self._layout.root, now)
            found = [self._read(path, now) for path in reservation_records.list_files(folder)]
        found += [self._past(path) for path in reservation_records.list_files(folder / "past")]
        return sorted(found, key=lambda one: (one.created_at, one.reservation_id), reverse=True)

    def get(self, reservation_id: str) -> ReservationReport:
        """Refused: NO_RESERVATION."""
        with self._lock() as now:
            reservation_records.load_live(self._layout.root, now)
            return self._read(self._path(reservation_id), now)

    def release(self, reservation_id: str) -> None:
        """Refused: NO_RESERVATION; NOT_GIVEN_BACK where this version can't know what it would give back."""
        root = self._layout.root
        with self._lock() as now:
            reservation_records.load_live(root, now)
            path = self._path(reservation_id)
            try:
                hold = ReservationRecord.read(path).at(now)
            except NewerRecord as error:
                raise Refused(NOT_GIVEN_BACK, reservation_id=reservation_id, why=str(error)) from error
            except MalformedRecord:
                path.replace(root / "reservations" / "past" / path.name)
                return
            if hold.over:
                return
            reservation_records.save_record(
                root, hold._replace(over=reservation_records.CANCELED, end=min(hold.end, max(now, hold.start)))
            )
        queue.notify_waiting(root)

    def openings(self, gpu_ids: Sequence[str], start: float | None, end: float | None) -> list[Opening]:
        """See `availability.openings`."""
        root = self._layout.root
        with self._lock() as now:
            uses = collect_gpu_uses(root, gpu_ids, reservation_records.load_live(root, now), now)
        return find_openings(gpu_ids, uses, now, start, end)

    @contextmanager
    def _lock(self) -> Iterator[float]:
        """The queue's lock, and the time as it is once we have it."""
        self._layout.make()
        with queue.queue_lock(self._layout.root):
            yield time.time()

    def _planned(self, wish: ReservationRequest, now: float) -> ReservationRecord:
        """The reservation without its GPUs. Times are whole seconds, so that they read back as they are shown."""
        asked = now if wish.start is None else wish.start
        if asked < now - _LATE_S:
            raise Refused(STARTS_IN_PAST)
        if asked > now + _AHEAD_S:
            raise Refused(STARTS_TOO_LATE)
        start = float(int(asked))
        return ReservationRecord(
            reservation_id=wish.reservation_id or new_id("res"),
            context=self._layout.context,
            owner=user_name(),
            name=wish.name,
            instance_type=wish.instance_type,
            gpu_count=wish.gpu_count,
            quantity=wish.quantity,
            gpus=(),
            start=start,
            end=start + wish.duration_s,
            duration_s=wish.duration_s,
            auto_renew=wish.auto_renew,
            created_at=now,
        ).at(now)

    def _path(self, reservation_id: str) -> Path:
        path = reservation_records.find_record(self._layout.root, reservation_id)
        if path is None:
            raise Refused(NO_RESERVATION, reservation_id=reservation_id)
        return path

    def _read(self, path: Path, now: float) -> ReservationReport:
        try:
            return ReservationReport.of(ReservationRecord.read(path).at(now))
        except NewerRecord as error:
            status = "ended" if path.parent.name == "past" else "pending"
            return ReservationReport(path.stem, status, self._layout.context, str(error))
        except MalformedRecord as error:
            why = f"its record is broken, so it keeps nothing: {error}"
            return ReservationReport(path.stem, "failed", self._layout.context, why)

    def _past(self, path: Path) -> ReservationReport:
        """What is over doesn't change any more, and is read once."""
        if path.name not in self._over:
            self._over[path.name] = self._read(path, time.time())
        return self._over[path.name]
