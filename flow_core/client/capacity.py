"""Capacity: what can be had, and what is held for later."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from flow_core import validation
from flow_core.client.context_client import ContextClient
from flow_core.errors import FlowError, NotFound, printable
from flow_core.gpu import parse_gpu
from flow_core.models.instance import InstanceRequirements

if TYPE_CHECKING:
    from flow_core.models.instance import AvailableInstance
    from flow_core.models.reservation import Reservation
    from flow_core.providers.account import ReservationFacet
    from flow_core.providers.base import InstanceFacet

_MOST_NAMED = 8


class CapacityCalls(ContextClient):
    """What a client does with instances and reservations."""

    async def find_instances(self, requirements: InstanceRequirements, limit: int = 10) -> list[AvailableInstance]:
        """Instance types that fit, cheapest first, at most `limit`; an empty table fits all.

        Prices are USD per hour and instance, `gpu_memory_gb` is that of one GPU. An `instance_type` is a name or a
        shorthand such as "a100" (one of them) or "8xh100". When nothing fits but there are others with such GPUs, a
        warning names them. Raises ConfigError for a requirement nobody knows.
        """
        wanted: Any = _given(validation.table("requirements", requirements))
        most = validation.whole("limit", limit)
        found = await self._instances.find(wanted)
        if not found and (others := await self._with_such_gpus(wanted)):
            asked = wanted.get("instance_type") or wanted["gpu_type"]
            warnings.warn(f"no instance fits; {printable(asked)} is offered only as {', '.join(others)}", stacklevel=2)
        return list(found[:most])

    async def _with_such_gpus(self, wanted: InstanceRequirements) -> list[str]:
        """The instance types with the GPUs that are asked for, however many, at any price."""
        asked = wanted.get("instance_type") or wanted.get("gpu_type")
        request = None if asked is None else parse_gpu(asked)
        if request is None or not request.needs_gpu or request.type_id is not None:
            return []
        everything = await self._instances.find({})
        return list(dict.fromkeys(one.instance_type for one in everything if one.is_model(request)))[:_MOST_NAMED]

    async def normalize_instance_request(
        self, gpu_count: int, gpu_type: str | None = None
    ) -> tuple[str, int, str | None]:
        """(instance_type, num_instances, warning) for so many GPUs of a type, any type when not said.

        A provider without instance types answers by rule: 8, 4 or 2 GPUs an instance where that divides.
        """
        count = validation.whole("gpu_count", gpu_count)
        model = validation.optional_text("gpu_type", gpu_type)
        if self.provider.instances is None:
            return _by_rule(count, model or "a100")
        return await self.provider.instances.normalize(count, model)

    async def reserve(
        self,
        gpu: str,
        duration_hours: int = 1,
        auto_renew: bool = False,
        **fields: Any,
    ) -> Reservation:
        """Holds GPUs (a shorthand such as "a100:4") for hours, from now on.

        `fields` are further fields of a ReservationSpec: quantity, start_time_utc, name, region. With `auto_renew` it
        is prolonged by its duration whenever its end has come, until `cancel_reservation`; on this machine by whatever
        call or waiting task looks next, since no process of ours runs meanwhile. Not safe twice.
        Raises ConfigError, CapacityError that says what is free, Conflict where the price has risen since it was
        shown, Unsupported.
        """
        from flow_core.models.reservation_spec import ReservationSpec  # deferred: loads pydantic

        wanted = {
            "instance_type": validation.text("gpu", gpu),
            "duration_hours": validation.whole("duration_hours", duration_hours, least=1),
            "auto_renew": auto_renew,
            **fields,
        }
        spec, reservations = ReservationSpec.parse(wanted), self._reservations
        quote = await reservations.quote(spec)
        call = reservations.describe_create(spec, quote)
        return await self.change("reserve", spec.instance_type, call, lambda: reservations.create(spec, quote))

    async def list_reservations(self, params: dict[str, Any] | None = None) -> list[Reservation]:
        """Reservations, newest first; `params` may hold status, instance_type, region. [] when unsupported."""
        wanted = {} if params is None else validation.table("params", params)
        facet = self.provider.reservations
        return [] if facet is None else list(await facet.list(wanted))

    async def get_reservation(self, reservation_id: str) -> Reservation | None:
        """A reservation as it is now; None for an id that nobody knows, or when unsupported."""
        wanted = validation.text("reservation_id", reservation_id)
        facet = self.provider.reservations
        try:
            return None if facet is None else await facet.get(wanted)
        except NotFound:
            return None

    async def cancel_reservation(self, reservation_id: str) -> None:
        """Gives a reservation back, now. What runs on it goes on. Twice is safe. Raises NotFound, Unsupported."""
        wanted, reservations = validation.text("reservation_id", reservation_id), self._reservations
        call = reservations.describe_release(wanted)
        await self.change("cancel reservation", wanted, call, lambda: reservations.release(wanted))

    async def reservation_availability(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Slots {"start_time", "end_time", "quantity"} in which an instance type could be reserved, earliest first.

        `params`: instance_type, region, earliest_start_time, latest_end_time (ISO 8601 or datetime). An empty list
        when unsupported or on error, as the reference promises; ConfigError for what is no table.
        """
        wanted, facet = validation.table("params", params), self.provider.reservations
        if facet is None:
            return []
        try:
            return list(await facet.availability(wanted))
        except FlowError:
            return []

    @property
    def _instances(self) -> InstanceFacet:
        return self.facet(self.provider.instances, "instance types")

    @property
    def _reservations(self) -> ReservationFacet:
        return self.facet(self.provider.reservations, "reservations")


def _by_rule(gpu_count: int, gpu_type: str) -> tuple[str, int, str | None]:
    if gpu_count == 0:
        return "cpu", 1, None
    each = next((size for size in (8, 4, 2) if gpu_count % size == 0), 1)
    return f"{each}x{gpu_type}", gpu_count // each, None


def _given(requirements: dict[str, Any]) -> dict[str, Any]:
    """Without what is None, which is how scripts leave a requirement out."""
    known = InstanceRequirements.__annotations__
    return {name: value for name, value in requirements.items() if value is not None or name not in known}
