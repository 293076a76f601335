"""Reservations: create, find, list and cancel them, and find free slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_core.argument_checks import check_integer, check_table, check_text
from flow_core.errors import FlowError, NotFound

if TYPE_CHECKING:
    from flow_core.client.context_client import ContextClient
    from flow_core.models.reservation import Reservation
    from flow_core.providers.contract.reservations import ReservationFacet


class AsyncReservationResource:
    """The reservations of one context."""

    def __init__(self, client: ContextClient) -> None:
        self._client = client

    async def create(
        self,
        /,
        gpu: str,
        duration_hours: int = 1,
        auto_renew: bool = False,
        **fields: Any,
    ) -> Reservation:
        """Reserves GPUs (a shorthand such as "a100:4") for hours, from now on.

        `fields` are further fields of a ReservationSpec: quantity, start_time_utc, name, region. With `auto_renew` the
        reservation is extended by its duration each time it would end, until you cancel it; on this machine the next
        call or waiting task extends it, since no process of flow runs in between. Two calls make two reservations.
        Raises ConfigError, CapacityError that names the free capacity, Conflict if the price has risen since this
        call fetched it, Unsupported.
        """
        from flow_core.models.reservation_spec import ReservationSpec  # lazy import: loads pydantic

        all_fields = {
            "instance_type": check_text("gpu", gpu),
            "duration_hours": check_integer("duration_hours", duration_hours, minimum=1),
            "auto_renew": auto_renew,
            **fields,
        }
        spec, reservations = ReservationSpec.parse(all_fields), self._reservations
        quote = await reservations.quote(spec)
        call = reservations.describe_create(spec, quote)
        return await self._client.run_change(
            "reserve", spec.instance_type, call, lambda: reservations.create(spec, quote)
        )

    async def get(self, reservation_id: str) -> Reservation | None:
        """Returns a reservation as it is now; None for an unknown id, and in a context without reservations."""
        checked_id = check_text("reservation_id", reservation_id)
        facet = self._client.provider.reservations
        try:
            return None if facet is None else await facet.get(checked_id)
        except NotFound:
            return None

    async def cancel(self, reservation_id: str) -> None:
        """Ends a reservation now. Tasks that run on it continue. Calling it again is safe.

        Raises NotFound, Unsupported.
        """
        checked_id, reservations = check_text("reservation_id", reservation_id), self._reservations
        call = reservations.describe_release(checked_id)
        await self._client.run_change("cancel reservation", checked_id, call, lambda: reservations.release(checked_id))

    async def availability(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns slots {"start_time", "end_time", "quantity"} in which you could reserve, earliest first.

        `params`: instance_type, region, earliest_start_time, latest_end_time (ISO 8601 or datetime). The reference
        promises an empty list on an error and in a context without reservations. Raises ConfigError if `params` is not
        a table.
        """
        query, facet = check_table("params", params), self._client.provider.reservations
        if facet is None:
            return []
        try:
            return list(await facet.availability(query))
        except FlowError:
            return []

    async def list(self, params: dict[str, Any] | None = None) -> list[Reservation]:
        """Returns reservations, newest first; none in a context without reservations.

        `params` may contain status, instance_type, region.
        """
        query = {} if params is None else check_table("params", params)
        facet = self._client.provider.reservations
        return [] if facet is None else list(await facet.list(query))

    @property
    def _reservations(self) -> ReservationFacet:
        return self._client.get_facet(self._client.provider.reservations, "reservations")
