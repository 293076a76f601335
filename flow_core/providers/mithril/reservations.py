"""Reservations of the cloud's capacity for some hours, paid in full when they are created."""

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
from flow_core.providers.mithril.bids import parse_rows
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.idempotent_create import create_once
from flow_core.providers.mithril.money import format_usd, to_cents
from flow_core.providers.mithril.pagination import read_all_pages
from flow_core.providers.mithril.reservation_quotes import OFFER, ReservationTimes
from flow_core.providers.mithril.reservation_rows import RESERVATIONS, format_time, parse_reservation

if TYPE_CHECKING:
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.providers.mithril.shared_state import MithrilSession

_HOURS_MIN, _HOURS_MAX = 3, 336
UNSUPPORTED: tuple[UnsupportedField[ReservationSpec], ...] = (
    UnsupportedField(
        "auto_renew",
        lambda spec: spec.auto_renew,
        "the cloud doesn't renew by itself; extend the reservation before it ends",
    ),
)


class MithrilReservations:
    """The reservation facet of the contract.

    `extend`, `pause`, `resume` and `times` exist only in the cloud. They bypass the gate: the caller asks the user
    first.
    """

    def __init__(self, session: MithrilSession) -> None:
        self._session = session
        self.times = ReservationTimes(session)

    async def quote(self, spec: ReservationSpec) -> ReservationQuote:
        _check_spec(spec)
        kind, region = await self.times.find_type(spec.instance_type, spec.region)
        return await self.times.quote(kind, region, *_compute_span(spec), spec.quantity)

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        _check_spec(spec)
        kind, region = await self.times.find_type(spec.instance_type, spec.region)
        start, end = _compute_span(spec)
        name = spec.name or f"reservation-{kind.short_name}-{secrets.token_hex(3)}"
        body = {
            "project": spec.project_id or await self._session.projects.get_chosen_id(),
            "instance_type": kind.type_id,
            "region": region,
            "start_time": format_time(start),
            "end_time": format_time(end),
            "instance_quantity": spec.quantity,
            "name": name,
            "launch_specification": {
                "volumes": list(spec.volumes),
                "ssh_keys": list(await self._session.launch_keys.choose(spec.ssh_keys)),
                **({} if spec.startup_script is None else {"startup_script": spec.startup_script}),
            },
            **_make_price_limit(quote),
        }
        existing_ids = {reservation.reservation_id for reservation in await self.list({})}
        idempotency_key = f"flow-reservation-{secrets.token_hex(16)}"
        types = await self._session.catalog.get_types()

        async def find() -> Reservation | None:
            new = (
                reservation
                for reservation in await self.list({})
                if reservation.name == name and reservation.reservation_id not in existing_ids
            )
            return next(new, None)

        return await create_once(
            lambda: self._session.http.post(RESERVATIONS, body, idempotency_key=idempotency_key),
            lambda answer: parse_reservation(
                self._session.context, response_fields.read_table(answer, "a reservation"), types
            ),
            find,
            f"the reservation {name!r}",
        )

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        query = {"project": await self._session.projects.get_chosen_id(), "sort_by": "created_at", "sort_dir": "desc"}
        rows = await read_all_pages(self._session.http, RESERVATIONS, "reservations", query)
        types = await self._session.catalog.get_types()
        context = self._session.context
        listed = parse_rows(rows, lambda row: parse_reservation(context, row, types), "reservations")
        filters = {name: str(value).lower() for name, value in params.items() if value is not None}
        matching = (
            reservation
            for reservation in listed
            if filters.get("status", reservation.status.value) == reservation.status.value
            and filters.get("region", reservation.region) == reservation.region
            and _is_type(reservation, filters.get("instance_type"), types)
        )
        return Listing.of(matching, listed.unreadable)

    async def get(self, reservation_id: str) -> Reservation:
        """Returns a reservation. The API's description has no call for one; after a 404 this searches the list."""
        if is_cloud_id(reservation_id) and reservation_id.startswith("res_"):
            try:
                return await self._parse(await self._session.http.get(f"{RESERVATIONS}/{reservation_id}"))
            except NotFound:
                for reservation in await self.list({}):
                    if reservation.reservation_id == reservation_id:
                        return reservation
        raise NotFound(f"no reservation is called {printable(reservation_id)!r} in context {self._session.context!r}")

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        return await self.times.list_slots(params)

    async def release(self, reservation_id: str) -> None:
        """Gives its machines back for good; they end, and so do the commands on them."""
        reservation = await self.get(reservation_id)
        if reservation.status.is_final:
            return
        if not reservation.instances:
            raise Conflict("you can't cancel a reservation before its machines run")
        path = f"{RESERVATIONS}/{reservation_id}/terminate-instances"
        await self._session.http.post(path, {"instances": list(reservation.instances), "reduce_capacity": True})

    async def extend(self, reservation_id: str, hours: int, quote: ReservationQuote | None = None) -> Reservation:
        """Extends the reservation by whole hours, which are paid immediately. Two calls extend it twice.

        Raises NotFound, Conflict, CapacityError, and OutcomeUnknown if the response was lost: then the reservation's
        end shows whether it was extended.
        """
        current = await self.get(reservation_id)
        if hours < 1:
            raise ConfigError("hours: must be at least 1", field="hours")
        if current.status.is_final or current.end_time_utc is None:
            raise Conflict(
                f"reservation {escape_controls(current.name or current.reservation_id)} has ended; it can't be extended"
            )
        body = {"end_time": format_time(current.end_time_utc + timedelta(hours=hours)), **_make_price_limit(quote)}
        return await self._parse(await self._session.http.post(f"{RESERVATIONS}/{reservation_id}/extend", body))

    async def pause(self, reservation_id: str) -> Reservation:
        """Stops its machines; a part of its price is refunded for the time. Calling it again is safe.

        Raises NotFound.
        """
        return await self._set_paused(reservation_id, True)

    async def resume(self, reservation_id: str) -> Reservation:
        """Starts its machines again. Calling it again is safe. Raises NotFound."""
        return await self._set_paused(reservation_id, False)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        request = f"{spec.quantity} x {spec.instance_type} from {start} for {spec.duration_hours} h"
        price = "" if quote is None else f": {format_usd(quote.total_usd)} total"
        unit_price = "" if quote is None else f", {format_usd(quote.unit_usd_per_hour)}/h per instance"
        return f"POST {self._session.settings.url}{RESERVATIONS}: {request}{unit_price}, paid in full{price}"

    def describe_release(self, reservation_id: str) -> str:
        path = f"{self._session.settings.url}{RESERVATIONS}/{reservation_id}/terminate-instances"
        return f"POST {path}: all of its machines, permanently"

    async def _set_paused(self, reservation_id: str, paused: bool) -> Reservation:
        reservation = await self.get(reservation_id)
        return await self._parse(
            await self._session.http.patch(f"{RESERVATIONS}/{reservation.reservation_id}", {"paused": paused})
        )

    async def _parse(self, answer: Any) -> Reservation:
        types = await self._session.catalog.get_types()
        return parse_reservation(self._session.context, response_fields.read_table(answer, "a reservation"), types)


def _check_spec(spec: ReservationSpec) -> None:
    if not _HOURS_MIN <= spec.duration_hours <= _HOURS_MAX:
        raise ConfigError(
            f"duration_hours: the cloud holds {_HOURS_MIN} to {_HOURS_MAX} hours, not {spec.duration_hours}",
            field="duration_hours",
        )
    check_supported(spec, UNSUPPORTED)


def _compute_span(spec: ReservationSpec) -> tuple[datetime, datetime]:
    start = spec.start_time_utc or datetime.now(UTC)
    return start, start + timedelta(hours=spec.duration_hours)


def _make_price_limit(quote: ReservationQuote | None) -> dict[str, Any]:
    if quote is None:
        return {}
    return {"price_specification": {"offer_key": OFFER, "max_unit_price": to_cents(quote.unit_usd_per_hour)}}


def _is_type(reservation: Reservation, instance_type: str | None, types: Mapping[str, InstanceType]) -> bool:
    if instance_type is None or instance_type == reservation.instance_type:
        return True
    return any(kind.name == reservation.instance_type and kind.matches_text(instance_type) for kind in types.values())
