"""Reservations on disk: which GPUs are kept for whom, and until when. Standard library only.

One file a reservation, for every context of this machine; those that are over lie in past/. No process of
ours runs for them: whoever looks next, under the queue's lock, writes what the clock has brought since
(begun, renewed, over). A file that can't be read keeps nothing from anybody; of a newer version's the fields that
are known count, and the others are kept.
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
_ENDS = ("", EXPIRED, CANCELED)
_FILE = RESERVATION_ID + r"\.json"
LATEST = 253_370_764_800.0  # the year 9999; no later time can be written as a date
LONGEST_S = 100 * 365 * 86400.0


class Hold(NamedTuple):
    """One reservation: `quantity` times `gpu_count` GPUs. Times are seconds since the epoch.

    `begun` and `over` are written once and stay, whatever is done to the machine's clock.
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
    def until(self) -> float:
        """When its GPUs are free again, as far as anybody knows."""
        return float("inf") if self.auto_renew else self.end

    def at(self, now: float) -> Hold:
        """The same reservation when the clock shows `now`.

        One that has begun never has more than its duration left: a clock that was set back does not lengthen it.
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
        return begun._replace(end=end if end > now else now + self.duration_s)  # never less, by rounding

    @classmethod
    def read(cls, path: Path) -> Hold:
        """Raises MalformedRecord; NewerRecord where its known fields don't say all that there is to know."""
        problem = ""
        try:
            known, problem = read_known(path)
            data = known or {}
            if isinstance(data.get("over"), str) and data["over"] not in _ENDS:
                problem = f"{path.name} {NEWER}"
            hold = cls(**{name: data[name] for name in cls._fields})._replace(gpus=tuple(data["gpus"]))
            _check(hold, path.stem)
        except (KeyError, TypeError, ValueError, OSError) as error:
            if problem:
                raise NewerRecord(problem, data) from error
            why = error if isinstance(error, MalformedRecord) else f"{path.name} does not hold a reservation"
            raise MalformedRecord(str(why)) from error
        return hold


def live(root: Path, now: float | None = None) -> list[Hold]:
    """The reservations that are not over, the first made first. Call it under the queue's lock."""
    moment = time.time() if now is None else now
    found = []
    for hold in _readable(root):
        as_it_stands = hold.at(moment)
        if as_it_stands != hold or hold.over:
            _try_keep(root, as_it_stands)
        found.append(as_it_stands)
    return _in_order(found)


def seen(root: Path) -> list[Hold]:
    """As `live`, for those who decide nothing: needs no lock and writes nothing."""
    return _in_order(hold.at(time.time()) for hold in _readable(root))


def keep(root: Path, hold: Hold) -> None:
    """Writes it, and moves it out of everybody's sight when it is over. Call it under the queue's lock."""
    folder, name = root / "reservations", f"{hold.reservation_id}.json"
    make_private_folder(folder / "past")
    write_json(folder / name, {**_known(folder / name), **hold._asdict()})
    if hold.over:
        os.replace(folder / name, folder / "past" / name)


def sweep(root: Path) -> None:
    """Removes what writers left that were killed while they wrote. Call it under the queue's lock."""
    for leftover in (root / "reservations").glob(".*"):
        if stat.S_ISREG(os.lstat(leftover).st_mode):
            leftover.unlink(missing_ok=True)


def path_of(root: Path, reservation_id: str) -> Path | None:
    """Where its record lies, over or not; None when there is none."""
    name = f"{reservation_id}.json"
    places = (root / "reservations" / name, root / "reservations" / "past" / name)
    known = re.fullmatch(_FILE, name) is not None
    return next((path for path in places if known and path.exists()), None)


def files(folder: Path) -> list[Path]:
    """The reservations' files in a folder, readable or not."""
    try:
        return [folder / name for name in os.listdir(folder) if re.fullmatch(_FILE, name)]
    except OSError:
        return []


def keepers(holds: Iterable[Hold]) -> dict[str, Hold]:
    """GPU -> the active reservation that keeps it."""
    kept: dict[str, Hold] = {}
    for hold in holds:
        if hold.is_active:
            kept = dict.fromkeys(hold.gpus, hold) | kept
    return kept


def open_to(candidates: Iterable[str], reservation_id: str | None, holds: Sequence[Hold]) -> tuple[str, ...]:
    """Those of the candidates that a task may take now: its reservation's, or without one what nobody reserved.

    None before its reservation begins. Once that is over, the task stands in line like any other.
    """
    mine = next((hold.reservation_id for hold in holds if hold.reservation_id == reservation_id), None)
    kept = keepers(holds)
    return tuple(gpu_id for gpu_id in candidates if getattr(kept.get(gpu_id), "reservation_id", None) == mine)


def why_not(free: int, candidates: Sequence[str], reservation_id: str | None, holds: Sequence[Hold]) -> str:
    """Why a task with these candidates waits, in words; `free` of those that are open to it are free."""
    kept = keepers(holds)
    mine = next((hold for hold in holds if hold.reservation_id == reservation_id), None)
    if mine is not None and not mine.begun:
        return f"{mine.reservation_id} starts at {clock(mine.start)}"
    if mine is not None:
        return f"{free} of {sum(kept.get(gpu_id) == mine for gpu_id in candidates)} free in {mine.reservation_id}"
    others = reserved_by(kept[gpu_id] for gpu_id in candidates if gpu_id in kept)
    return ", ".join([f"{free} of {len(candidates)} free", *others])


def reserved_by(keepers_of: Iterable[Hold]) -> list[str]:
    """Who keeps how many, given the keeper of each: "4 reserved until 14:00 by res_abc"."""
    counts: dict[Hold, int] = {}
    for hold in keepers_of:
        counts[hold] = counts.get(hold, 0) + 1
    return [f"{count} reserved {until(hold)} by {hold.reservation_id}" for hold, count in counts.items()]


def until(hold: Hold) -> str:
    return "until it is released" if hold.auto_renew else f"until {clock(hold.end)}"


def clock(moment: float) -> str:
    """A time as the wall clock of this machine shows it, with the day when that isn't today."""
    shown, today = time.localtime(moment), time.localtime()
    return time.strftime("%H:%M" if shown[:3] == today[:3] else "%Y-%m-%d %H:%M", shown)


def _readable(root: Path) -> Iterator[Hold]:
    for path in files(root / "reservations"):
        try:
            yield Hold.read(path)
        except MalformedRecord:
            continue


def _known(path: Path) -> dict[str, Any]:
    """What the record holds now, with the fields of other versions."""
    try:
        return read_known(path)[0] or {}
    except MalformedRecord:
        return {}


def _in_order(holds: Iterable[Hold]) -> list[Hold]:
    return sorted((hold for hold in holds if not hold.over), key=lambda hold: (hold.created_at, hold.reservation_id))


def _try_keep(root: Path, hold: Hold) -> None:
    try:
        keep(root, hold)
    except OSError:
        pass  # the disk is full or away; it counts as written, and whoever looks next writes it


def _check(hold: Hold, name: str) -> None:
    texts: tuple[Any, ...] = (hold.context, hold.owner, hold.name, hold.instance_type, hold.over, *hold.gpus)
    if hold.reservation_id != name or not all(isinstance(text, str) for text in texts):
        raise ValueError
    if not all(0 <= moment < LATEST for moment in (hold.start, hold.end, hold.created_at)):
        raise ValueError
    if not 0 < hold.duration_s <= LONGEST_S or min(hold.gpu_count, hold.quantity) < 1:
        raise ValueError
    if hold.over not in _ENDS:
        raise ValueError
    if not isinstance(hold.begun, bool) or not isinstance(hold.auto_renew, bool):
        raise ValueError
