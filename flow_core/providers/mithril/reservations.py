"""Capacity of the cloud that is held from one hour to another, and paid in full when it is made."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound, Unsupported, printable
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.mithril import wire
from flow_core.providers.mithril.bids import moment, readable
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.choosing import Wish, choose
from flow_core.providers.mithril.money import dollars
from flow_core.providers.mithril.pages import every_row

if TYPE_CHECKING:
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.providers.mithril.account import Account

_PATH = "/v2/reservation"
_LEAST_HOURS, _MOST_HOURS = 3, 336
_STATUS = {
    "pending": ReservationStatus.SCHEDULED,
    "scheduled": ReservationStatus.SCHEDULED,
    "active": ReservationStatus.ACTIVE,
    "paused": ReservationStatus.PAUSED,
    "canceled": ReservationStatus.CANCELED,
    "cancelled": ReservationStatus.CANCELED,
    "ended": ReservationStatus.ENDED,
    "expired": ReservationStatus.EXPIRED,
    "failed": ReservationStatus.FAILED,
}
_PARAMS = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")
_LOOK_AHEAD = timedelta(days=14)


class MithrilReservations:
    """See the contract."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def create(self, spec: ReservationSpec) -> Reservation:
        if not _LEAST_HOURS <= spec.duration_hours <= _MOST_HOURS:
            raise ConfigError(
                f"duration_hours: the cloud holds {_LEAST_HOURS} to {_MOST_HOURS} hours, not {spec.duration_hours}",
                field="duration_hours",
            )
        if spec.auto_renew:
            raise Unsupported("auto_renew: the cloud doesn't renew by itself; extend the reservation before it ends")
        start = spec.start_time_utc or datetime.now(UTC)
        kind, region = await self._place(spec.instance_type, spec.region)
        body = {
            "project": spec.project_id or await self._account.projects.chosen_id(),
            "instance_type": kind.type_id,
            "region": region,
            "start_time": _text(start),
            "end_time": _text(start + timedelta(hours=spec.duration_hours)),
            "instance_quantity": spec.quantity,
            "name": spec.name or f"reservation-{kind.short_name}-{secrets.token_hex(3)}",
            "launch_specification": {
                "volumes": list(spec.volumes),
                "ssh_keys": list(await self._account.launch_keys.choose(spec.ssh_keys)),
                **({} if spec.startup_script is None else {"startup_script": spec.startup_script}),
            },
        }
        try:
            once = f"flow-reservation-{secrets.token_hex(16)}"
            row = wire.table(await self._account.http.post(_PATH, body, once=once), "a reservation")
        except Conflict as refused:
            raise CapacityError(str(refused)) from refused
        return self._reservation(row, await self._account.catalog.types())

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        query = {"project": await self._account.projects.chosen_id(), "sort_by": "created_at", "sort_dir": "desc"}
        rows = await every_row(self._account.http, _PATH, "reservations", query)
        types = await self._account.catalog.types()
        found = tuple(readable(rows, lambda row: self._reservation(row, types), "reservations"))
        wanted = {name: str(value).lower() for name, value in params.items() if value is not None}
        return tuple(
            one
            for one in found
            if wanted.get("status", one.status.value) == one.status.value
            and wanted.get("region", one.region) == one.region
            and _is_type(one, wanted.get("instance_type"), types)
        )

    async def get(self, reservation_id: str) -> Reservation:
        """The API's description has no call for one; where there is none it is looked for in the list."""
        if wire.is_id(reservation_id) and reservation_id.startswith("res_"):
            try:
                row = wire.table(await self._account.http.get(f"{_PATH}/{reservation_id}"), "a reservation")
                return self._reservation(row, await self._account.catalog.types())
            except NotFound:
                for one in await self.list({}):
                    if one.reservation_id == reservation_id:
                        return one
        raise NotFound(f"no reservation is called {printable(reservation_id)!r} in context {self._account.context!r}")

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        for name in params:
            if name not in _PARAMS:
                raise ConfigError(f"{name}: is not asked here; known are: {', '.join(_PARAMS)}", field=name)
        wanted = params.get("instance_type")
        if not isinstance(wanted, str):
            raise ConfigError("instance_type: is missing", field="instance_type")
        kind, region = await self._place(wanted, params.get("region"))
        start = _time("earliest_start_time", params, datetime.now(UTC))
        end = _time("latest_end_time", params, start + _LOOK_AHEAD)
        rows = await self._account.http.get(
            f"{_PATH}/availability",
            project=await self._account.projects.chosen_id(),
            instance_type=kind.type_id,
            region=region,
            mode="slots",
            earliest_start_time=_text(start),
            latest_end_time=_text(end),
        )
        least = params.get("quantity") or 1
        slots: list[dict[str, Any]] = [
            {
                "start_time": wire.text(row, "start_time"),
                "end_time": wire.text(row, "end_time"),
                "quantity": wire.number(row, "quantity"),
            }
            for row in wire.rows(rows, "slots")
        ]
        return tuple(sorted((one for one in slots if one["quantity"] >= least), key=lambda one: str(one["start_time"])))

    async def release(self, reservation_id: str) -> None:
        """Gives its machines back for good; they end, and so does what runs on them."""
        row = wire.table(await self._account.http.get(f"{_PATH}/{await self._known(reservation_id)}"), "a reservation")
        instances = [one for one in row.get("instances") or () if isinstance(one, str)]
        if str(row.get("status")).lower() in ("ended", "canceled"):
            return
        if not instances:
            raise Conflict("a reservation that has not begun can't be given back; its machines can, once they run")
        path = f"{_PATH}/{reservation_id}/terminate-instances"
        await self._account.http.post(path, {"instances": instances, "reduce_capacity": True})

    def describe_create(self, spec: ReservationSpec) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        what = f"{spec.quantity} x {spec.instance_type} from {start} for {spec.duration_hours} h"
        return f"POST {self._account.settings.url}{_PATH}: {what}, paid in full"

    def describe_release(self, reservation_id: str) -> str:
        return f"POST {self._account.settings.url}{_PATH}/{reservation_id}/terminate-instances: all of them, for good"

    async def _known(self, reservation_id: str) -> str:
        return (await self.get(reservation_id)).reservation_id

    async def _place(self, wanted: str, region: str | None) -> tuple[InstanceType, str]:
        wish = Wish(types=(wanted,), region=region or self._account.settings.region)
        offer = choose(await self._account.catalog.offers(), wish)
        return offer.type, offer.region

    def _reservation(self, row: dict[str, Any], types: Mapping[str, InstanceType]) -> Reservation:
        type_id = wire.text(row, "instance_type")
        start = moment(row.get("start_time"))
        status = _STATUS.get(wire.text(row, "status").lower(), ReservationStatus.PENDING)
        return Reservation(
            context=self._account.context,
            reservation_id=wire.text(row, "fid", "id"),
            status=status,
            instance_type=types[type_id].name if type_id in types else type_id,
            quantity=wire.number(row, "instance_quantity") or 1,
            start_time_utc=start or datetime.fromtimestamp(0, UTC),
            end_time_utc=moment(row.get("end_time")),
            name=wire.optional(row, "name"),
            region=wire.optional(row, "region"),
            price_total_usd=dollars(row.get("total_price")),
            provider_metadata={"status": row.get("status"), "unit_price": row.get("unit_price")},
        )


def _is_type(one: Reservation, wanted: str | None, types: Mapping[str, InstanceType]) -> bool:
    if wanted is None or wanted == one.instance_type:
        return True
    return any(kind.name == one.instance_type and kind.is_asked_for(wanted) for kind in types.values())


def _time(name: str, params: Mapping[str, Any], default: datetime) -> datetime:
    value = params.get(name)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    found = default if value is None else moment(value)
    if found is None:
        raise ConfigError(f"{name}: must be an ISO 8601 time or a datetime", field=name)
    return found


def _text(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
