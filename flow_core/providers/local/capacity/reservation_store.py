"""The reservations that the agent of this machine stores, as models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity.reservations import Reservations
from flow_core.agent.layout import Layout
from flow_core.errors import ConfigError
from flow_core.gpu_matching import choose_gpus
from flow_core.models.reservation import Reservation
from flow_core.providers.contract.supported_fields import check_supported
from flow_core.providers.local.capacity.gpus import find_gpus
from flow_core.providers.over_agent.reservation_conversion import (
    UNSUPPORTED,
    OpeningQuery,
    build_reservation_request,
    matches,
    parse_filters,
    parse_gpus,
    to_reservation,
)

if TYPE_CHECKING:
    from flow_core.models.reservation_spec import ReservationSpec


class ReservationStore:
    """The reservations of this machine. Does blocking I/O."""

    def __init__(self, layout: Layout, region: str, gpu_setting: Any) -> None:
        self._reservations = Reservations(layout)
        self._context = layout.context
        self._region = region
        self._gpu_setting = gpu_setting

    def make(self, spec: ReservationSpec) -> Reservation:
        """Creates a reservation. Raises ConfigError, Unsupported, CapacityError; Refused if too few GPUs are free."""
        self._check_spec(spec)
        request = parse_gpus(spec.instance_type)
        fitting = choose_gpus(find_gpus(self._gpu_setting), replace(request, count=request.count * spec.quantity))
        return to_reservation(self._reservations.make(build_reservation_request(spec, request, fitting)), self._region)

    def all(self, params: Mapping[str, Any]) -> list[Reservation]:
        """Returns the reservations, newest first. Raises ConfigError.

        A reservation with a broken record is `failed`, and its metadata contain the reason.
        """
        allowed = parse_filters(params)
        reservations = [to_reservation(report, self._region) for report in self._reservations.list_all()]
        return [reservation for reservation in reservations if matches(reservation, allowed)]

    def get(self, reservation_id: str) -> Reservation:
        return to_reservation(self._reservations.get(reservation_id), self._region)

    def release(self, reservation_id: str) -> None:
        self._reservations.release(reservation_id)

    def availability(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the slots in which the same instances are free throughout. Raises ConfigError."""
        query = OpeningQuery.parse(params)
        if query.region not in (None, self._region):
            return []
        gpu_ids = [gpu.gpu_id for gpu in find_gpus(self._gpu_setting) if gpu.fits(query.request)]
        return query.list_slots(self._reservations.find_openings(gpu_ids, query.start, query.end))

    def _check_spec(self, spec: ReservationSpec) -> None:
        check_supported(spec, UNSUPPORTED)
        fields = (("region", spec.region, self._region), ("project_id", spec.project_id, self._context))
        for field, value, actual in fields:
            if value not in (None, actual):
                raise ConfigError(f"{field}: {value!r} is not here; this is {actual!r}", field=field)
