"""Capacity of the cloud that is held from one hour to another, and paid in full when it is made."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, Conflict, NotFound, printable
from flow_core.identifiers import is_cloud_id
from flow_core.logs.escape import escape_controls
from flow_core.models.reservation import Reservation, ReservationQuote
from flow_core.providers.contract.listing import Listing
from flow_core.providers.contract.supported_fields import UnsupportedField, check_supported
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import readable
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.idempotent_create import create_once
from flow_core.providers.mithril.money import in_cents, written
from flow_core.providers.mithril.pagination import read_all_pages
from flow_core.providers.mithril.reservation_rows import RESERVATIONS, reservation_of, stamp
from flow_core.providers.mithril.reservation_times import OFFER, ReservationTimes

if TYPE_CHECKING:
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.providers.mithril.api_session import MithrilSession

_LEAST_HOURS, _MOST_HOURS = 3, 336
UNSUPPORTED: tuple[UnsupportedField[ReservationSpec], ...] = (
    UnsupportedField(
        "auto_renew",
        lambda spec: spec.auto_renew,
        "the cloud doesn't renew by itself; extend the reservation before it ends",
    ),
)


class MithrilReservations:
    """See the contract; `extend`, `pause`, `resume` and `times` are what the cloud has besides. Not through the gate:
    whoever calls those asks first."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session
        self.times = ReservationTimes(session)

    async def quote(self, spec: ReservationSpec) -> ReservationQuote:
        _check(spec)
        kind, region = await self.times.find_type(spec.instance_type, spec.region)
        return await self.times.quote(kind, region, *_span(spec), spec.quantity)

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        _check(spec)
        kind, region = await self.times.find_type(spec.instance_type, spec.region)
        start, end = _span(spec)
        name = spec.name or f"reservation-{kind.short_name}-{secrets.token_hex(3)}"
        body = {
            "project": spec.project_id or await self._session.projects.chosen_id(),
            "instance_type": kind.type_id,
            "region": region,
            "start_time": stamp(start),
            "end_time": stamp(end),
            "instance_quantity": spec.quantity,
            "name": name,
            "launch_specification": {
                "volumes": list(spec.volumes),
                "ssh_keys": list(await self._session.launch_keys.choose(spec.ssh_keys)),
                **({} if spec.startup_script is None else {"startup_script": spec.startup_script}),
            },
            **_no_more_than(quote),
        }
        known = {one.reservation_id for one in await self.list({})}
        once = f"flow-reservation-{secrets.token_hex(16)}"
        types = await self._session.catalog.types()

        async def find() -> Reservation | None:
            new = (one for one in await self.list({}) if one.name == name and one.reservation_id not in known)
            return next(new, None)

        return await create_once(
            lambda: self._session.http.post(RESERVATIONS, body, once=once),
            lambda answer: reservation_of(self._session.context, response_fields.table(answer, "a reservation"), types),
            find,
            f"the reservation {name!r}",
        )

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        query = {"project": await self._session.projects.chosen_id(), "sort_by": "created_at", "sort_dir": "desc"}
        rows = await read_all_pages(self._session.http, RESERVATIONS, "reservations", query)
        types = await self._session.catalog.types()
        context = self._session.context
        found = readable(rows, lambda row: reservation_of(context, row, types), "reservations")
        wanted = {name: str(value).lower() for name, value in params.items() if value is not None}
        fitting = (
            one
            for one in found
            if wanted.get("status", one.status.value) == one.status.value
            and wanted.get("region", one.region) == one.region
            and _is_type(one, wanted.get("instance_type"), types)
        )
        return Listing.of(fitting, found.unreadable)

    async def get(self, reservation_id: str) -> Reservation:
        """The API's description has no call for one; where there is none it is looked for in the list."""
        if is_cloud_id(reservation_id) and reservation_id.startswith("res_"):
            try:
                return await self._read(await self._session.http.get(f"{RESERVATIONS}/{reservation_id}"))
            except NotFound:
                for one in await self.list({}):
                    if one.reservation_id == reservation_id:
                        return one
        raise NotFound(f"no reservation is called {printable(reservation_id)!r} in context {self._session.context!r}")

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        return await self.times.slots(params)

    async def release(self, reservation_id: str) -> None:
        """Gives its machines back for good; they end, and so does what runs on them."""
        one = await self.get(reservation_id)
        if one.status.is_final:
            return
        if not one.instances:
            raise Conflict("a reservation that has not begun can't be given back; its machines can, once they run")
        path = f"{RESERVATIONS}/{reservation_id}/terminate-instances"
        await self._session.http.post(path, {"instances": list(one.instances), "reduce_capacity": True})

    async def extend(self, reservation_id: str, hours: int, quote: ReservationQuote | None = None) -> Reservation:
        """By so many whole hours, paid at once. Not safe twice. Raises NotFound, Conflict, CapacityError, and
        OutcomeUnknown where the response was lost: then its end says whether it was done."""
        one = await self.get(reservation_id)
        if hours < 1:
            raise ConfigError("hours: must be at least 1", field="hours")
        if one.status.is_final or one.end_time_utc is None:
            raise Conflict(
                f"reservation {escape_controls(one.name or one.reservation_id)} has ended; it can't be extended"
            )
        body = {"end_time": stamp(one.end_time_utc + timedelta(hours=hours)), **_no_more_than(quote)}
        return await self._read(await self._session.http.post(f"{RESERVATIONS}/{reservation_id}/extend", body))

    async def pause(self, reservation_id: str) -> Reservation:
        """Its machines stop; a part of its price comes back for the time. Twice is safe. Raises NotFound."""
        return await self._set_paused(reservation_id, True)

    async def resume(self, reservation_id: str) -> Reservation:
        """Twice is safe. Raises NotFound."""
        return await self._set_paused(reservation_id, False)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        what = f"{spec.quantity} x {spec.instance_type} from {start} for {spec.duration_hours} h"
        price = "" if quote is None else f": {written(quote.total_usd)} in all"
        each = "" if quote is None else f", {written(quote.unit_usd_per_hour)}/h and instance"
        return f"POST {self._session.settings.url}{RESERVATIONS}: {what}{each}, paid in full{price}"

    def describe_release(self, reservation_id: str) -> str:
        path = f"{self._session.settings.url}{RESERVATIONS}/{reservation_id}/terminate-instances"
        return f"POST {path}: all of them, for good"

    async def _set_paused(self, reservation_id: str, paused: bool) -> Reservation:
        one = await self.get(reservation_id)
        return await self._read(
            await self._session.http.patch(f"{RESERVATIONS}/{one.reservation_id}", {"paused": paused})
        )

    async def _read(self, answer: Any) -> Reservation:
        types = await self._session.catalog.types()
        return reservation_of(self._session.context, response_fields.table(answer, "a reservation"), types)


def _check(spec: ReservationSpec) -> None:
    if not _LEAST_HOURS <= spec.duration_hours <= _MOST_HOURS:
        raise ConfigError(
            f"duration_hours: the cloud holds {_LEAST_HOURS} to {_MOST_HOURS} hours, not {spec.duration_hours}",
            field="duration_hours",
        )
    check_supported(spec, UNSUPPORTED)


def _span(spec: ReservationSpec) -> tuple[datetime, datetime]:
    start = spec.start_time_utc or datetime.now(UTC)
    return start, start + timedelta(hours=spec.duration_hours)


def _no_more_than(quote: ReservationQuote | None) -> dict[str, Any]:
    if quote is None:
        return {}
    return {"price_specification": {"offer_key": OFFER, "max_unit_price": in_cents(quote.unit_usd_per_hour)}}


def _is_type(one: Reservation, wanted: str | None, types: Mapping[str, InstanceType]) -> bool:
    if wanted is None or wanted == one.instance_type:
        return True
    return any(kind.name == one.instance_type and kind.is_asked_for(wanted) for kind in types.values())
