"""The facet for capacity that is reserved for some hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flow_core.models.reservation import Reservation, ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec


class ReservationFacet(Protocol):
    """Capacity that is reserved for some hours."""

    async def quote(self, spec: ReservationSpec) -> ReservationQuote | None:
        """Returns the cost of a reservation; None if it costs nothing. Calling it again is safe. Raises ConfigError."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """Reserves capacity. Two calls create two reservations.

        Raises ConfigError, CapacityError (with the free capacity), and Conflict if it now costs more than the quote.
        """

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        """Returns the reservations, newest first. `params` may contain status, instance_type, region.

        Calling it again is safe.
        """

    async def get(self, reservation_id: str) -> Reservation:
        """Returns the current state of a reservation. Calling it again is safe. Raises NotFound."""

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Returns slots {"start_time", "end_time" (ISO 8601, UTC), "quantity"}, earliest first.

        `params`: instance_type, region, quantity, earliest_start_time, latest_end_time (ISO text or datetime). Calling
        it again is safe. Raises ConfigError.
        """

    async def release(self, reservation_id: str) -> None:
        """Releases a reservation now; tasks on it continue to run. Calling it again is safe. Raises NotFound."""

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        """Returns the exact call or command. Makes no request."""

    def describe_release(self, reservation_id: str) -> str:
        """Returns the exact call or command. Makes no request."""
