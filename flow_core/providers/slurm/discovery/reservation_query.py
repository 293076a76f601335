"""The parameters of a search for periods in which nodes can be reserved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flow_core.errors import ConfigError, printable
from flow_core.gpu_shorthand import GpuRequest, parse_gpu

_PARAMETERS = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")
_PERIOD = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class SlotQuery:
    """A search for periods in which at least `quantity` instances are free, from `start` to `end`."""

    request: GpuRequest
    quantity: int
    start: datetime
    end: datetime
    region: str | None

    @classmethod
    def parse(cls, params: Mapping[str, Any], now: datetime) -> SlotQuery:
        """Parses the parameters; without times, it covers the next two weeks. Raises ConfigError."""
        for name in params:
            if name not in _PARAMETERS:
                known = ", ".join(_PARAMETERS)
                raise ConfigError(f"{name}: is not a known parameter; known are: {known}", field=name)
        quantity, region = params.get("quantity", 1), params.get("region")
        if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            raise ConfigError("quantity: must be a whole number from 1 on", field="quantity")
        if region is not None and not isinstance(region, str):
            raise ConfigError("region: must be the name of a partition", field="region")
        start = max(now, _parse_moment("earliest_start_time", params) or now)
        end = _parse_moment("latest_end_time", params) or start + _PERIOD
        return cls(parse_node_type(params.get("instance_type")), quantity, start, end, region)


def parse_node_type(instance_type: object) -> GpuRequest:
    """Parses an instance type that nodes can hold. Raises ConfigError."""
    if not isinstance(instance_type, str):
        raise ConfigError("instance_type: name one, for example 4xa100", field="instance_type")
    request = parse_gpu(instance_type)
    if request.type_id is not None:
        raise ConfigError(
            f"instance_type: {printable(instance_type)} is an id of another provider; write for example 4xa100",
            field="instance_type",
        )
    return request


def _parse_moment(name: str, params: Mapping[str, Any]) -> datetime | None:
    value = params.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name}: must be a time, such as 2026-01-31T14:00:00Z", field=name) from error
