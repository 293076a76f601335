"""When GPUs of this machine can be reserved, and which of them a reservation gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flow_core.agent.capacity import holds
from flow_core.agent.capacity.holds import Hold
from flow_core.agent.capacity.timeline import Use, free_throughout, slots
from flow_core.errors import CapacityError, ConfigError
from flow_core.gpu import GpuRequest, parse_gpu
from flow_core.gpu_models import Gpu

_KNOWN = ("instance_type", "region", "quantity", "earliest_start_time", "latest_end_time")
_LOOK_AHEAD_S = 14 * 86400.0


def availability(
    params: Mapping[str, Any], here: Sequence[Gpu], uses: Sequence[Use], region: str, now: float
) -> list[dict[str, Any]]:
    """Slots in which the same instances are free throughout, for the next two weeks when no end is given.

    A reservation of a slot's quantity for a slot's time would be granted. Raises ConfigError.
    """
    for name in params:
        if name not in _KNOWN:
            raise ConfigError(f"{name}: is nothing we know here; known are: {', '.join(_KNOWN)}", field=name)
    request = gpus_of(params.get("instance_type"))
    least = params.get("quantity", 1)
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise ConfigError("quantity: must be a whole number from 1 on", field="quantity")
    start = max(now, _moment("earliest_start_time", params, now))
    end = min(_moment("latest_end_time", params, start + _LOOK_AHEAD_S), holds.LATEST)
    if params.get("region") not in (None, region):
        return []
    gpu_ids = [gpu.gpu_id for gpu in here if gpu.fits(request)]
    found = ((slot, len(slot.gpus) // request.count) for slot in slots(gpu_ids, uses, start, end))
    return [
        {"start_time": _iso(slot.start), "end_time": _iso(slot.end), "quantity": quantity}
        for slot, quantity in found
        if quantity >= least
    ]


def pick(hold: Hold, gpu_ids: Sequence[str], uses: Sequence[Use]) -> tuple[str, ...]:
    """GPUs that this reservation can have for all its time; idle ones first.

    What runs or waits now only stands in the way of one that starts now: by its start it may be gone. Raises
    CapacityError that says what is free, and who has the rest.
    """
    count = hold.gpu_count * hold.quantity
    in_the_way = [use for use in uses if (hold.begun or use.is_planned) and use.meets(hold.start, hold.until)]
    free = free_throughout(gpu_ids, in_the_way, hold.start, hold.until)
    if len(free) < count:
        blocked = {use.gpu_id: use.by for use in reversed(in_the_way)}
        others = ", ".join(f"{number} {by}" for by, number in Counter(blocked.values()).items())
        raise CapacityError(
            f"{hold.quantity} x {hold.instance_type} can't be reserved {_span(hold)}:"
            f" {len(free)} of {len(gpu_ids)} GPUs are free all that time; {others}"
        )
    in_use = {use.gpu_id for use in uses if not use.is_planned}
    return tuple(sorted(free, key=in_use.__contains__)[:count])


def gpus_of(instance_type: object) -> GpuRequest:
    """Raises ConfigError for what is no instance type with GPUs."""
    if not isinstance(instance_type, str):
        raise ConfigError("instance_type: say which, for example a100:4", field="instance_type")
    request = parse_gpu(instance_type)
    if not request.needs_gpu:
        raise ConfigError("instance_type: only GPUs can be reserved on this machine", field="instance_type")
    return request


def _span(hold: Hold) -> str:
    start = "now" if hold.begun else f"from {holds.clock(hold.start)}"
    return f"{start} {holds.until(hold)}"


def _moment(name: str, params: Mapping[str, Any], default: float) -> float:
    value = params.get(name)
    if value is None:
        return default
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name}: must be a time, such as 2026-01-31T14:00:00Z", field=name) from error


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
