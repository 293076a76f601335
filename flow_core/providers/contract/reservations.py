"""The facet for capacity that is held for some hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from flow_core.models.reservation import Reservation, ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec


class ReservationFacet(Protocol):
    """Capacity that is held for some hours."""

    async def quote(self, spec: ReservationSpec) -> ReservationQuote | None:
        """The cost of a reservation; None where nothing is billed. Twice is safe. Raises ConfigError."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        """Reserves capacity. Not safe twice.

        Raises ConfigError, CapacityError (with what is free), and Conflict where it costs more than the quote by now.
        """

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        """Newest first. `params` may hold status, instance_type, region. Twice is safe."""

    async def get(self, reservation_id: str) -> Reservation:
        """A reservation as it is now. Twice is safe. Raises NotFound."""

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        """Slots {"start_time", "end_time" (ISO 8601, UTC), "quantity"}, earliest first.

        `params`: instance_type, region, quantity, earliest_start_time, latest_end_time (ISO text or datetime).
        Twice is safe. Raises ConfigError.
        """

    async def release(self, reservation_id: str) -> None:
        """Releases a reservation now; tasks on it continue to run. Twice is safe. Raises NotFound."""

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        """The exact call or command. At once."""

    def describe_release(self, reservation_id: str) -> str:
        """The exact call or command. At once."""
