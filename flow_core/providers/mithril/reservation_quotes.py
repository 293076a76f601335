"""The times at which capacity can be reserved, and the price."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, ProviderError
from flow_core.models.reservation import ReservationQuote
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import parse_rows, parse_time
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.money import parse_usd
from flow_core.providers.mithril.offer_choice import OfferQuery, choose_offer
from flow_core.providers.mithril.reservation_rows import RESERVATIONS, format_time

if TYPE_CHECKING:
    from flow_core.providers.mithril.shared_state import MithrilSession

OFFER = "standard"
"""The kind of reservation that is quoted and created, of those that the API has."""
_PARAMS = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")
_DEFAULT_SPAN = timedelta(days=14)


class ReservationTimes:
    """Read-only queries about capacity; reserves nothing.

    `instance_type` is a shorthand, a name or an id; without a region, the region where the type is cheapest is used.
    """

    def __init__(self, session: MithrilSession) -> None:
        self._session = session

    async def find_type(self, instance_type: str, region: str | None) -> tuple[InstanceType, str]:
        """Returns the type and region that the texts mean. Raises ConfigError."""
        query = OfferQuery(types=(instance_type,), region=region or self._session.settings.region)
        offer = choose_offer(await self._session.catalog.get_offers(), query)
        return offer.type, offer.region

    async def list_slots(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Returns the slots, as `availability` of the contract does."""
        for name in params:
            if name not in _PARAMS:
                raise ConfigError(f"{name}: is not a known parameter; known are: {', '.join(_PARAMS)}", field=name)
        instance_type = params.get("instance_type")
        if not isinstance(instance_type, str):
            raise ConfigError("instance_type: is missing", field="instance_type")
        start = _parse_time("earliest_start_time", params, datetime.now(UTC))
        end = _parse_time("latest_end_time", params, start + _DEFAULT_SPAN)
        rows = await self._query(
            instance_type,
            params.get("region"),
            "slots",
            earliest_start_time=format_time(start),
            latest_end_time=format_time(end),
        )
        min_quantity = params.get("quantity") or 1
        slots = parse_rows(response_fields.read_rows(rows, "slots"), _parse_slot, "slots")
        return tuple(
            sorted(
                (slot for slot in slots if slot["quantity"] >= min_quantity), key=lambda slot: str(slot["start_time"])
            )
        )

    async def is_free(
        self, instance_type: str, start: datetime, end: datetime, quantity: int = 1, region: str | None = None
    ) -> bool:
        """Returns whether `quantity` instances could be reserved for the whole time."""
        times = {"start_time": format_time(start), "end_time": format_time(end)}
        answer = await self._query(instance_type, region, "check", quantity=quantity, **times)
        return response_fields.read_table(answer, "an availability").get("available") is True

    async def latest_end(
        self, instance_type: str, start: datetime, quantity: int = 1, region: str | None = None
    ) -> datetime | None:
        """Returns the latest end of a reservation of `quantity` instances from `start`; None if there is none."""
        answer = await self._query(
            instance_type, region, "latest_end_time", quantity=quantity, start_time=format_time(start)
        )
        return _parse_end(answer, "latest_end_time")

    async def latest_extension(self, reservation_id: str) -> datetime | None:
        """Returns the latest end to which a reservation could be extended; None if it can't be extended."""
        path = f"{RESERVATIONS}/{reservation_id}/extension-availability"
        return _parse_end(await self._session.http.get(path), "latest_extension_time")

    async def quote(
        self, kind: InstanceType, region: str, start: datetime, end: datetime, quantity: int
    ) -> ReservationQuote:
        """Returns the price of a reservation. Raises ProviderError if the API gives none."""
        answer = await self._session.http.get(
            f"{RESERVATIONS}/quote",
            project=await self._session.projects.get_chosen_id(),
            instance_type=kind.type_id,
            region=region,
            start_time=format_time(start),
            end_time=format_time(end),
            quantity=quantity,
        )
        rows = response_fields.read_rows(response_fields.read_table(answer, "a quote").get("offers"), "offers")
        for row in (offer for offer in rows if isinstance(offer, dict) and offer.get("key") == OFFER):
            unit, total = parse_usd(row.get("unit_price")), parse_usd(row.get("total_price"))
            if unit is not None and total is not None:
                return ReservationQuote(unit, total)
        raise ProviderError(f"the Mithril API quotes no {OFFER} price for {kind.name} in {region}")

    async def _query(self, instance_type: str, region: str | None, mode: str, **query: str | int) -> Any:
        kind, chosen_region = await self.find_type(instance_type, region)
        return await self._session.http.get(
            f"{RESERVATIONS}/availability",
            project=await self._session.projects.get_chosen_id(),
            instance_type=kind.type_id,
            region=chosen_region,
            mode=mode,
            **query,
        )


def _parse_slot(row: dict[str, Any]) -> dict[str, Any]:
    start, end = parse_time(row.get("start_time")), parse_time(row.get("end_time"))
    if start is None or end is None:
        raise ProviderError("a slot has no start or no end")
    return {
        "start_time": format_time(start),
        "end_time": format_time(end),
        "quantity": response_fields.read_number(row, "quantity"),
    }


def _parse_end(answer: Any, name: str) -> datetime | None:
    fields = response_fields.read_table(answer, "an availability")
    return parse_time(fields.get(name)) if fields.get("available") is True else None


def _parse_time(name: str, params: Mapping[str, Any], default: datetime) -> datetime:
    value = params.get(name)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    time = default if value is None else parse_time(value)
    if time is None:
        raise ConfigError(f"{name}: must be an ISO 8601 time or a datetime", field=name)
    return time
