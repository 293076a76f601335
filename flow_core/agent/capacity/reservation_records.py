"""The records of reservations: the reserved GPUs, their owner, and the end.

There is one file per reservation, for all contexts of this machine; ended reservations are in past/. No process serves
them: the next reader, under the queue's lock, writes the changes of time (begun, renewed, over). A file that can't be
read reserves nothing. In a newer version's file the known fields count, and the others are preserved.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flow_core.agent.ids import RESERVATION_ID
from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.records import NEWER, MalformedRecord, NewerRecord, read_known, write_json

EXPIRED, CANCELED = "expired", "canceled"
_END_STATES = ("", EXPIRED, CANCELED)
_FILE = RESERVATION_ID + r"\.json"  # compiled on first use and cached by `re`
LATEST = 253_370_764_800.0  # the year 9999; no later time can be written as a date
LONGEST_S = 100 * 365 * 86400.0


class ReservationRecord(NamedTuple):
    """One reservation: `quantity` times `gpu_count` GPUs. Times are seconds since the epoch.

    `begun` and `over` are written once and never change back, even if the machine's clock is set back.
    """

    reservation_id: str
    context: str
    owner: str
    name: str
    instance_type: str
    gpu_count: int
    quantity: int
    gpus: tuple[str, ...]
    start: float
    end: float
    duration_s: float
    auto_renew: bool
    created_at: float
    begun: bool = False
    over: str = ""

    @property
    def is_active(self) -> bool:
        return self.begun and not self.over

    @property
    def busy_until(self) -> float:
        """The time at which its GPUs are free again; infinity if it renews itself."""
        return float("inf") if self.auto_renew else self.end

    def at_time(self, now: float) -> ReservationRecord:
        """Returns the same reservation at the time `now`.

        A reservation that has begun never has more than its duration left: setting the clock back doesn't extend it.
        """
        if self.over or (not self.begun and now < self.start):
            return self
        begun = self._replace(begun=True, start=min(self.start, now), end=min(self.end, now + self.duration_s))
        if begun.end > now:
            return begun
        if not self.auto_renew:
            return begun._replace(over=EXPIRED)
        missed = (now - begun.end) // self.duration_s + 1
        end = begun.end + missed * self.duration_s
        return begun._replace(end=end if end > now else now + self.duration_s)  # rounding must not make it shorter

    @classmethod
    def read(cls, path: Path) -> ReservationRecord:
        """Reads a record. Raises MalformedRecord; NewerRecord if its known fields don't describe it completely."""
        problem = ""
        try:
            known, problem = read_known(path)
            data = known or {}
            if isinstance(data.get("over"), str) and data["over"] not in _END_STATES:
                problem = f"{path.name} {NEWER}"
            reservation = cls(**{name: data[name] for name in cls._fields})._replace(gpus=tuple(data["gpus"]))
            _check_fields(reservation, path.stem)
        except (KeyError, TypeError, ValueError, OSError) as error:
            if problem:
                raise NewerRecord(problem, data) from error
            why = error if isinstance(error, MalformedRecord) else f"{path.name} does not hold a reservation"
            raise MalformedRecord(str(why)) from error
        return reservation


def update_and_load_live(root: Path, now: float | None = None) -> list[ReservationRecord]:
    """Returns the reservations that are not over, oldest first; writes the changes of time.

    Call it under the queue's lock.
    """
    moment = time.time() if now is None else now
    found = []
    for reservation in _load_readable(root):
        current = reservation.at_time(moment)
        if current != reservation or reservation.over:
            _try_save(root, current)
        found.append(current)
    return _sort_live(found)


def load_without_lock(root: Path) -> list[ReservationRecord]:
    """Returns the same as `update_and_load_live`, for callers that decide nothing: needs no lock, writes nothing."""
    return _sort_live(reservation.at_time(time.time()) for reservation in _load_readable(root))


def save_record(root: Path, reservation: ReservationRecord) -> None:
    """Writes the record; moves it to past/ if it is over. Call it under the queue's lock."""
    folder, name = root / "reservations", f"{reservation.reservation_id}.json"
    make_private_folder(folder / "past")
    write_json(folder / name, {**_read_existing(folder / name), **reservation._asdict()})
    if reservation.over:
        os.replace(folder / name, folder / "past" / name)


def remove_staging_files(root: Path) -> None:
    """Removes the temporary files of killed writers. Call it under the queue's lock."""
    for leftover in (root / "reservations").glob(".*"):
        if stat.S_ISREG(os.lstat(leftover).st_mode):
            leftover.unlink(missing_ok=True)


def find_record(root: Path, reservation_id: str) -> Path | None:
    """Returns the path of the record, over or not; None if there is none."""
    name = f"{reservation_id}.json"
    places = (root / "reservations" / name, root / "reservations" / "past" / name)
    known = re.fullmatch(_FILE, name) is not None
    return next((path for path in places if known and path.exists()), None)


def list_files(folder: Path) -> list[Path]:
    """Returns the record files in a folder, readable or not."""
    try:
        return [folder / name for name in os.listdir(folder) if re.fullmatch(_FILE, name)]
    except OSError:
        return []


def find_reserved_gpus(reservations: Iterable[ReservationRecord]) -> dict[str, ReservationRecord]:
    """Returns the reserved GPUs, each with the active reservation that holds it."""
    reserved: dict[str, ReservationRecord] = {}
    for reservation in reservations:
        if reservation.is_active:
            reserved = dict.fromkeys(reservation.gpus, reservation) | reserved
    return reserved


def select_open_gpus(
    candidates: Iterable[str], reservation_id: str | None, reservations: Sequence[ReservationRecord]
) -> tuple[str, ...]:
    """Returns the candidates that a task may use now: those of its reservation, or those without a reservation.

    Before its reservation begins, a task may use none. After its end, the task waits like any other.
    """
    own_id = next(
        (reservation.reservation_id for reservation in reservations if reservation.reservation_id == reservation_id),
        None,
    )
    reserved = find_reserved_gpus(reservations)
    return tuple(gpu_id for gpu_id in candidates if getattr(reserved.get(gpu_id), "reservation_id", None) == own_id)


def explain_wait(
    free: int, candidates: Sequence[str], reservation_id: str | None, reservations: Sequence[ReservationRecord]
) -> str:
    """Explains why a task with these candidates waits; `free` is the number of free GPUs that it may use."""
    reserved = find_reserved_gpus(reservations)
    own = next((reservation for reservation in reservations if reservation.reservation_id == reservation_id), None)
    if own is not None and not own.begun:
        return f"{own.reservation_id} starts at {format_time(own.start)}"
    if own is not None:
        return f"{free} of {sum(reserved.get(gpu_id) == own for gpu_id in candidates)} free in {own.reservation_id}"
    others = describe_reserved(reserved[gpu_id] for gpu_id in candidates if gpu_id in reserved)
    return ", ".join([f"{free} of {len(candidates)} free", *others])


def describe_reserved(holders: Iterable[ReservationRecord]) -> list[str]:
    """Counts the GPUs of each reservation: "4 reserved until 14:00 by res_abc"."""
    counts: dict[ReservationRecord, int] = {}
    for reservation in holders:
        counts[reservation] = counts.get(reservation, 0) + 1
    return [
        f"{count} reserved {describe_end(reservation)} by {reservation.reservation_id}"
        for reservation, count in counts.items()
    ]


def describe_end(reservation: ReservationRecord) -> str:
    """Describes the end in words: "until 14:00"."""
    return "until it is released" if reservation.auto_renew else f"until {format_time(reservation.end)}"


def format_time(moment: float) -> str:
    """Formats a time in the local time zone, with the date unless it is today."""
    local, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if local[:3] == today[:3] else "%Y-%m-%d %H:%M", local)


def _load_readable(root: Path) -> Iterator[ReservationRecord]:
    for path in list_files(root / "reservations"):
        try:
            yield ReservationRecord.read(path)
        except MalformedRecord:
            continue


def _read_existing(path: Path) -> dict[str, Any]:
    """Returns the current content of the record, with the fields of other versions."""
    try:
        return read_known(path)[0] or {}
    except MalformedRecord:
        return {}


def _sort_live(reservations: Iterable[ReservationRecord]) -> list[ReservationRecord]:
    return sorted(
        (reservation for reservation in reservations if not reservation.over),
        key=lambda reservation: (reservation.created_at, reservation.reservation_id),
    )


def _try_save(root: Path, reservation: ReservationRecord) -> None:
    try:
        save_record(root, reservation)
    except OSError:
        pass  # the disk is full or unavailable; the next reader writes it


def _check_fields(reservation: ReservationRecord, name: str) -> None:
    texts: tuple[Any, ...] = (
        reservation.context,
        reservation.owner,
        reservation.name,
        reservation.instance_type,
        reservation.over,
        *reservation.gpus,
    )
    if reservation.reservation_id != name or not all(isinstance(text, str) for text in texts):
        raise ValueError
    if not all(0 <= moment < LATEST for moment in (reservation.start, reservation.end, reservation.created_at)):
        raise ValueError
    if not 0 < reservation.duration_s <= LONGEST_S or min(reservation.gpu_count, reservation.quantity) < 1:
        raise ValueError
    if reservation.over not in _END_STATES:
        raise ValueError
    if not isinstance(reservation.begun, bool) or not isinstance(reservation.auto_renew, bool):
        raise ValueError
