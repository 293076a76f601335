"""Reservations of this machine, off the event loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flow_core.providers.over_agent.in_process_agent import call_agent

if TYPE_CHECKING:
    from flow_core.agent.layout import Layout
    from flow_core.models.reservation import Reservation, ReservationQuote
    from flow_core.models.reservation_spec import ReservationSpec
    from flow_core.providers.local.capacity.reservation_store import ReservationStore


class LocalReservations:
    """`ReservationStore`, off the event loop.

    No process renews a reservation with `auto_renew`. The next call or waiting task that reads the reservations writes
    its next term first, before it uses them. So the reservation lasts until it is released.
    """

    def __init__(self, layout: Layout, region: str, gpu_setting: Any) -> None:
        self._arguments = (layout, region, gpu_setting)

    async def quote(self, spec: ReservationSpec) -> None:
        """Returns None: this machine costs nothing."""

    async def create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> Reservation:
        return await call_agent(self._reserving.make, spec)

    async def list(self, params: Mapping[str, Any]) -> tuple[Reservation, ...]:
        return tuple(await call_agent(self._reserving.all, params))

    async def get(self, reservation_id: str) -> Reservation:
        return await call_agent(self._reserving.get, reservation_id)

    async def availability(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
        return tuple(await call_agent(self._reserving.availability, params))

    async def release(self, reservation_id: str) -> None:
        await call_agent(self._reserving.release, reservation_id)

    def describe_create(self, spec: ReservationSpec, quote: ReservationQuote | None = None) -> str:
        start = "now" if spec.start_time_utc is None else spec.start_time_utc.isoformat(timespec="minutes")
        renewed = ", renewed until it is released" if spec.auto_renew else ""
        return f"keep {spec.quantity} x {spec.instance_type} from {start} for {spec.duration_hours} h{renewed}"

    def describe_release(self, reservation_id: str) -> str:
        return f"give the GPUs of {reservation_id} back; tasks on them go on"

    @cached_property
    def _reserving(self) -> ReservationStore:
        from flow_core.providers.local.capacity.reservation_store import ReservationStore  # lazy import: rarely needed

        return ReservationStore(*self._arguments)
