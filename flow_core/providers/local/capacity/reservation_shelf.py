"""Reservations: GPUs of this machine kept for somebody's hours, in every context of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity import holds, queue
from flow_core.agent.capacity.holds import Hold
from flow_core.agent.layout import Layout
from flow_core.agent.machine import new_id, user_name
from flow_core.agent.records import MalformedRecord, NewerRecord
from flow_core.errors import ConfigError, Conflict, NotFound, Unsupported
from flow_core.gpu import parse_gpu
from flow_core.gpu_models import choose
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.local.capacity.availability import availability, gpus_of, pick
from flow_core.providers.local.capacity.demand import end_the_lost, known_uses
from flow_core.providers.local.capacity.gpus import gpus_here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flow_core.models.reservation_spec import ReservationSpec

_LATE_S = 60.0  # a start this long ago still means now: people take their time
_AHEAD_S = 10 * 365.25 * 86400
_FILTERS = ("status", "instance_type", "region")
_FOR_OTHERS = ("ssh_keys", "volumes", "startup_script")


class ReservationShelf:
    """The reservations of this machine, as one context asks for them. Blocking."""

    def __init__(self, layout: Layout, region: str, gpu_setting: Any) -> None:
        self._layout = layout
        self._region = region
        self._gpu_setting = gpu_setting
        self._over: dict[str, Reservation] = {}

    def make(self, spec: ReservationSpec) -> Reservation:
        """Raises ConfigError, Unsupported, CapacityError (says what is free, and who has the rest until when)."""
        self._refuse_what_is_not_here(spec)
        request = gpus_of(spec.instance_type)
        fitting = choose(gpus_here(self._gpu_setting), replace(request, count=request.count * spec.quantity))
        gpu_ids = [gpu.gpu_id for gpu in fitting]
        wanted = f"{request.count}x{request.model or fitting[0].short_model}"
        self._layout.make()
        end_the_lost(self._layout.root, gpu_ids)
        with self._lock() as now:
            hold = self._planned(spec, wanted, request.count, now)
            uses = known_uses(self._layout.root, gpu_ids, holds.live(self._layout.root, now), now)
            hold = hold._replace(gpus=pick(hold, gpu_ids, uses))
            holds.sweep(self._layout.root)
            holds.keep(self._layout.root, hold)
        return self._shown(hold)

    def all(self, params: Mapping[str, Any]) -> list[Reservation]:
        """The last made first; one whose record is broken is `failed`, and its metadata say why. Raises ConfigError."""
        wanted = _filters(params)
        folder = self._layout.root / "reservations"
        with self._lock() as now:
            holds.live(self._layout.root, now)
            found = [self._read(path, now) for path in holds.files(folder)]
        found += [self._past(path) for path in holds.files(folder / "past")]
        found.sort(key=lambda one: (one.provider_metadata.get("created_at", 0.0), one.reservation_id), reverse=True)
        return [one for one in found if all(getattr(one, name) in values for name, values in wanted.items())]

    def get(self, reservation_id: str) -> Reservation:
        """Raises NotFound."""
        with self._lock() as now:
            holds.live(self._layout.root, now)
            return self._read(self._path(reservation_id), now)

    def release(self, reservation_id: str) -> None:
        """Raises NotFound; Conflict where this version can't know what it would give back."""
        root = self._layout.root
        with self._lock() as now:
            holds.live(root, now)
            path = self._path(reservation_id)
            try:
                hold = Hold.read(path).at(now)
            except NewerRecord as error:
                raise Conflict(f"reservation {reservation_id} can't be given back: {error}") from error
            except MalformedRecord:
                path.replace(root / "reservations" / "past" / path.name)
                return
            if hold.over:
                return
            holds.keep(root, hold._replace(over=holds.CANCELED, end=min(hold.end, max(now, hold.start))))
        queue.ring(root)

    def availability(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Raises ConfigError."""
        root = self._layout.root
        here = gpus_here(self._gpu_setting)
        with self._lock() as now:
            uses = known_uses(root, [gpu.gpu_id for gpu in here], holds.live(root, now), now)
        return availability(params, here, uses, self._region, now)

    @contextmanager
    def _lock(self) -> Iterator[float]:
        """The queue's lock, and the time as it is once we have it."""
        self._layout.make()
        with queue.queue_lock(self._layout.root):
            yield time.time()

    def _refuse_what_is_not_here(self, spec: ReservationSpec) -> None:
        for field in _FOR_OTHERS:
            if getattr(spec, field):
                raise Unsupported(f"{field}: a reservation of this machine keeps GPUs, and takes nothing along")
        for field, here in (("region", self._region), ("project_id", self._layout.context)):
            if getattr(spec, field) not in (None, here):
                raise ConfigError(f"{field}: {getattr(spec, field)!r} is not here; this is {here!r}", field=field)

    def _planned(self, spec: ReservationSpec, instance_type: str, gpu_count: int, now: float) -> Hold:
        """The reservation without its GPUs. Times are whole seconds, so that they read back as they are shown."""
        asked = now if spec.start_time_utc is None else spec.start_time_utc.timestamp()
        if asked < now - _LATE_S:
            raise ConfigError("start_time_utc: lies in the past", field="start_time_utc")
        if asked > now + _AHEAD_S:
            raise ConfigError("start_time_utc: lies more than ten years ahead", field="start_time_utc")
        start, duration_s = float(int(asked)), spec.duration_hours * 3600.0
        return Hold(
            reservation_id=new_id("res"),
            context=self._layout.context,
            owner=user_name(),
            name=spec.name or "",
            instance_type=instance_type,
            gpu_count=gpu_count,
            quantity=spec.quantity,
            gpus=(),
            start=start,
            end=start + duration_s,
            duration_s=duration_s,
            auto_renew=spec.auto_renew,
            created_at=now,
        ).at(now)

    def _path(self, reservation_id: str) -> Path:
        path = holds.path_of(self._layout.root, reservation_id)
        if path is None:
            raise NotFound(f"no reservation {reservation_id[:40]!r} on this machine")
        return path

    def _read(self, path: Path, now: float) -> Reservation:
        try:
            return self._shown(Hold.read(path).at(now))
        except NewerRecord as error:
            is_over = path.parent.name == "past"
            return self._without(
                path.stem, ReservationStatus.ENDED if is_over else ReservationStatus.PENDING, str(error)
            )
        except MalformedRecord as error:
            why = f"its record is broken, so it keeps nothing: {error}"
            return self._without(path.stem, ReservationStatus.FAILED, why)

    def _past(self, path: Path) -> Reservation:
        """What is over doesn't change any more, and is read once."""
        if path.name not in self._over:
            self._over[path.name] = self._read(path, time.time())
        return self._over[path.name]

    def _shown(self, hold: Hold) -> Reservation:
        status = hold.over or ("active" if hold.begun else "scheduled")
        return Reservation(
            context=hold.context,
            reservation_id=hold.reservation_id,
            status=ReservationStatus(status),
            instance_type=hold.instance_type,
            quantity=hold.quantity,
            start_time_utc=datetime.fromtimestamp(hold.start, UTC),
            end_time_utc=datetime.fromtimestamp(hold.end, UTC),
            name=hold.name,
            region=self._region,
            auto_renew=hold.auto_renew,
            provider_metadata={"gpus": hold.gpus, "owner": hold.owner, "created_at": hold.created_at},
        )

    def _without(self, reservation_id: str, status: ReservationStatus, message: str) -> Reservation:
        """One of which nothing more is known."""
        return Reservation(
            context=self._layout.context,
            reservation_id=reservation_id,
            status=status,
            instance_type="",
            quantity=0,
            start_time_utc=datetime.fromtimestamp(0, UTC),
            region=self._region,
            provider_metadata={"message": message},
        )


def _filters(params: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for name, value in params.items():
        if name not in _FILTERS:
            raise ConfigError(f"{name}: is no filter of reservations; there are: {', '.join(_FILTERS)}", field=name)
        values = value if isinstance(value, list | tuple) else (value,)
        if not all(isinstance(one, str) for one in values):
            raise ConfigError(f"{name}: must be text, or a list of texts", field=name)
        wanted[name] = tuple(str(parse_gpu(one)) if name == "instance_type" else one for one in values)
    return wanted
