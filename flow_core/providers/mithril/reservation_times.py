"""When capacity could be held, and for how much."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flow_core.errors import ConfigError, ProviderError
from flow_core.models.reservation import ReservationQuote
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.bids import moment, readable
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.money import dollars
from flow_core.providers.mithril.offer_choice import OfferQuery, choose_offer
from flow_core.providers.mithril.reservation_rows import RESERVATIONS, stamp

if TYPE_CHECKING:
    from flow_core.providers.mithril.api_session import MithrilSession

OFFER = "standard"
"""The kind of reservation that is quoted and made, of those that the API has."""
_PARAMS = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")
_LOOK_AHEAD = timedelta(days=14)


class ReservationTimes:
    """Questions only: nothing here holds anything. `instance_type` is a shorthand, a name or an id; without a region
    it is the one where the type is cheapest."""

    def __init__(self, session: MithrilSession) -> None:
        self._session = session

    async def find_type(self, wanted: str, region: str | None) -> tuple[InstanceType, str]:
        """The type and region that are meant. Raises ConfigError."""
        query = OfferQuery(types=(wanted,), region=region or self._session.settings.region)
        offer = choose_offer(await self._session.catalog.offers(), query)
        return offer.type, offer.region

    async def slots(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """See `availability` of the contract."""
        for name in params:
            if name not in _PARAMS:
                raise ConfigError(f"{name}: is not asked here; known are: {', '.join(_PARAMS)}", field=name)
        wanted = params.get("instance_type")
        if not isinstance(wanted, str):
            raise ConfigError("instance_type: is missing", field="instance_type")
        start = _time("earliest_start_time", params, datetime.now(UTC))
        end = _time("latest_end_time", params, start + _LOOK_AHEAD)
        rows = await self._ask(
            wanted, params.get("region"), "slots", earliest_start_time=stamp(start), latest_end_time=stamp(end)
        )
        least = params.get("quantity") or 1
        slots = readable(response_fields.rows(rows, "slots"), _slot, "slots")
        return tuple(sorted((one for one in slots if one["quantity"] >= least), key=lambda one: str(one["start_time"])))

    async def is_free(
        self, instance_type: str, start: datetime, end: datetime, quantity: int = 1, region: str | None = None
    ) -> bool:
        """Whether so many instances could be held all that time."""
        times = {"start_time": stamp(start), "end_time": stamp(end)}
        answer = await self._ask(instance_type, region, "check", quantity=quantity, **times)
        return response_fields.table(answer, "an availability").get("available") is True

    async def latest_end(
        self, instance_type: str, start: datetime, quantity: int = 1, region: str | None = None
    ) -> datetime | None:
        """Until when so many instances could be held from that time on; None where they can't be."""
        answer = await self._ask(instance_type, region, "latest_end_time", quantity=quantity, start_time=stamp(start))
        return _until(answer, "latest_end_time")

    async def latest_extension(self, reservation_id: str) -> datetime | None:
        """Until when a reservation could be extended; None where it can't be."""
        path = f"{RESERVATIONS}/{reservation_id}/extension-availability"
        return _until(await self._session.http.get(path), "latest_extension_time")

    async def quote(
        self, kind: InstanceType, region: str, start: datetime, end: datetime, quantity: int
    ) -> ReservationQuote:
        """Raises ProviderError where no price is told."""
        answer = await self._session.http.get(
            f"{RESERVATIONS}/quote",
            project=await self._session.projects.chosen_id(),
            instance_type=kind.type_id,
            region=region,
            start_time=stamp(start),
            end_time=stamp(end),
            quantity=quantity,
        )
        rows = response_fields.rows(response_fields.table(answer, "a quote").get("offers"), "offers")
        for row in (one for one in rows if isinstance(one, dict) and one.get("key") == OFFER):
            unit, total = dollars(row.get("unit_price")), dollars(row.get("total_price"))
            if unit is not None and total is not None:
                return ReservationQuote(unit, total)
        raise ProviderError(f"the Mithril API quotes no {OFFER} price for {kind.name} in {region}")

    async def _ask(self, instance_type: str, region: str | None, mode: str, **query: str | int) -> Any:
        kind, where = await self.find_type(instance_type, region)
        return await self._session.http.get(
            f"{RESERVATIONS}/availability",
            project=await self._session.projects.chosen_id(),
            instance_type=kind.type_id,
            region=where,
            mode=mode,
            **query,
        )


def _slot(row: dict[str, Any]) -> dict[str, Any]:
    start, end = moment(row.get("start_time")), moment(row.get("end_time"))
    if start is None or end is None:
        raise ProviderError("a slot has no start or no end")
    return {"start_time": stamp(start), "end_time": stamp(end), "quantity": response_fields.number(row, "quantity")}


def _until(answer: Any, name: str) -> datetime | None:
    said = response_fields.table(answer, "an availability")
    return moment(said.get(name)) if said.get("available") is True else None


def _time(name: str, params: Mapping[str, Any], default: datetime) -> datetime:
    value = params.get(name)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    found = default if value is None else moment(value)
    if found is None:
        raise ConfigError(f"{name}: must be an ISO 8601 time or a datetime", field=name)
    return found
