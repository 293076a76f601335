"""Converts reservation requests for an agent, and its reports, from and to models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flow_core.agent.capacity.availability import Opening
from flow_core.agent.capacity.reservation_report import ReservationReport, ReservationRequest
from flow_core.errors import ConfigError
from flow_core.gpu_matching import Gpu
from flow_core.gpu_shorthand import GpuRequest, parse_gpu
from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.contract.supported_fields import UnsupportedField

if TYPE_CHECKING:
    from flow_core.models.reservation_spec import ReservationSpec

_KEEPS_GPUS = "a reservation of a machine keeps GPUs, and takes nothing along"
UNSUPPORTED: tuple[UnsupportedField[ReservationSpec], ...] = (
    UnsupportedField("ssh_keys", lambda spec: spec.ssh_keys, _KEEPS_GPUS),
    UnsupportedField("volumes", lambda spec: spec.volumes, _KEEPS_GPUS),
    UnsupportedField("startup_script", lambda spec: spec.startup_script, _KEEPS_GPUS),
)
_FILTERS = ("status", "instance_type", "region")
_PARAMETERS = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")


class OpeningQuery(NamedTuple):
    """Parameters of a search for openings of at least `least` instances.

    `start` and `end` limit the time; None means from now on, and as far ahead as the agent looks.
    """

    request: GpuRequest
    least: int
    start: float | None
    end: float | None
    region: Any

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> OpeningQuery:
        """Parses the parameters. Raises ConfigError."""
        for name in params:
            if name not in _PARAMETERS:
                raise ConfigError(f"{name}: is nothing we know here; known are: {', '.join(_PARAMETERS)}", field=name)
        request = parse_gpus(params.get("instance_type"))
        least = params.get("quantity", 1)
        if isinstance(least, bool) or not isinstance(least, int) or least < 1:
            raise ConfigError("quantity: must be a whole number from 1 on", field="quantity")
        start, end = _parse_moment("earliest_start_time", params), _parse_moment("latest_end_time", params)
        return cls(request, least, start, end, params.get("region"))

    def list_slots(self, openings: Sequence[Opening]) -> list[dict[str, Any]]:
        """Returns the openings that are large enough, as the Flow SDK lists them."""
        quantities = ((opening, opening.free // self.request.count) for opening in openings)
        return [
            {"start_time": _to_datetime(opening.start).isoformat(), "end_time": _to_datetime(opening.end).isoformat()}
            | {"quantity": quantity}
            for opening, quantity in quantities
            if quantity >= self.least
        ]


def parse_gpus(instance_type: object) -> GpuRequest:
    """Parses an instance type with GPUs. Raises ConfigError."""
    if not isinstance(instance_type, str):
        raise ConfigError("instance_type: name one, for example a100:4", field="instance_type")
    request = parse_gpu(instance_type)
    if not request.needs_gpu:
        raise ConfigError("instance_type: only GPUs can be reserved on this machine", field="instance_type")
    return request


def build_reservation_request(spec: ReservationSpec, request: GpuRequest, fitting: Sequence[Gpu]) -> ReservationRequest:
    """Builds the request for the agent. `fitting` are the GPUs that may be reserved; any of them will do."""
    return ReservationRequest(
        name=spec.name or "",
        instance_type=f"{request.count}x{request.model or fitting[0].short_model}",
        gpu_count=request.count,
        quantity=spec.quantity,
        candidates=tuple(gpu.gpu_id for gpu in fitting),
        start=None if spec.start_time_utc is None else spec.start_time_utc.timestamp(),
        duration_s=spec.duration_hours * 3600.0,
        auto_renew=spec.auto_renew,
    )


def to_reservation(report: ReservationReport, region: str) -> Reservation:
    """Converts a report of the agent to a Reservation."""
    details = {"gpus": report.gpus, "owner": report.owner, "created_at": report.created_at}
    return Reservation(
        context=report.context,
        reservation_id=report.reservation_id,
        status=ReservationStatus(report.status),
        instance_type=report.instance_type,
        quantity=report.quantity,
        start_time_utc=_to_datetime(report.start),
        end_time_utc=None if report.end is None else _to_datetime(report.end),
        name=report.name,
        region=region,
        auto_renew=report.auto_renew,
        provider_metadata={"message": report.message} if report.message else details,
    )


def parse_filters(params: Mapping[str, Any]) -> dict[str, Collection[str]]:
    """Returns the allowed values of each field that the filter names. Raises ConfigError."""
    allowed: dict[str, Collection[str]] = {}
    for name, value in params.items():
        if name not in _FILTERS:
            raise ConfigError(f"{name}: is no filter of reservations; there are: {', '.join(_FILTERS)}", field=name)
        values = value if isinstance(value, list | tuple) else (value,)
        if not all(isinstance(text, str) for text in values):
            raise ConfigError(f"{name}: must be text, or a list of texts", field=name)
        allowed[name] = tuple(str(parse_gpu(text)) if name == "instance_type" else text for text in values)
    return allowed


def matches(reservation: Reservation, allowed: Mapping[str, Collection[str]]) -> bool:
    """Returns whether a reservation passes the filter that `parse_filters` returned."""
    fields = {
        "status": reservation.status,
        "instance_type": reservation.instance_type,
        "region": reservation.region,
    }
    return all(fields[name] in values for name, values in allowed.items())


def _parse_moment(name: str, params: Mapping[str, Any]) -> float | None:
    value = params.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name}: must be a time, such as 2026-01-31T14:00:00Z", field=name) from error


def _to_datetime(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
