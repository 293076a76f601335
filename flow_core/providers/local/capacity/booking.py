"""Which reservation a new task goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flow_core.agent.capacity import holds, leases, queue
from flow_core.agent.capacity.holds import Hold
from flow_core.agent.layout import Layout
from flow_core.agent.machine import user_name
from flow_core.agent.records import MalformedRecord
from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound

if TYPE_CHECKING:
    from flow_core.models.spec import TaskConfig


def booked(config: TaskConfig, gpus: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """`gpus`, what the task wants, with the reservation it is to be had from. Blocking.

    The one it names; without a name, in mode `reserved`, one of this user's that is active and large enough, and
    so in mode `auto` if there is one. Raises ConfigError, NotFound, Conflict (it is over), CapacityError (too small).
    """
    wanted, mode = config.reservation_id, config.allocation_mode
    if wanted is None and mode == "spot":
        return gpus
    if not gpus["count"]:
        return _without_gpus(gpus, wanted, mode)
    layout.make()
    count = gpus["count"] * config.num_instances
    with queue.queue_lock(layout.root):
        reserved = holds.live(layout.root)
        own = None if wanted is not None else _own(reserved, gpus, count, layout.root)
    if wanted is not None:
        return gpus | {"reservation": _named(wanted, reserved, gpus, count, layout).reservation_id}
    if own is None and mode == "reserved":
        lacking = f"{count} x {gpus['type']}"
        raise CapacityError(f"allocation_mode: no active reservation of yours has {lacking}; reserve them first")
    return gpus if own is None else gpus | {"reservation": own.reservation_id}


def _without_gpus(gpus: dict[str, Any], wanted: str | None, mode: str) -> dict[str, Any]:
    if wanted is None and mode == "auto":
        return gpus
    field = "reservation_id" if wanted is not None else "allocation_mode"
    raise ConfigError(
        f"{field}: the task asks for no GPU, and nothing else can be reserved on this machine", field=field
    )


def _named(wanted: str, reserved: Sequence[Hold], gpus: dict[str, Any], count: int, layout: Layout) -> Hold:
    hold = next((hold for hold in reserved if hold.reservation_id == wanted), None)
    if hold is None:
        raise _not_live(wanted, layout)
    if (fitting := _fitting(hold, gpus)) < count:
        raise CapacityError(f"reservation_id: {wanted} has {fitting} x {gpus['type']}; the task wants {count}")
    return hold


def _not_live(wanted: str, layout: Layout) -> NotFound | Conflict:
    path = holds.path_of(layout.root, wanted)
    if path is None:
        return NotFound(f"reservation_id: no reservation {wanted[:40]!r} on this machine")
    try:
        return Conflict(f"reservation_id: reservation {wanted} is {Hold.read(path).over}")
    except MalformedRecord as error:
        return Conflict(f"reservation_id: the record of {wanted} is broken: {error}")


def _own(reserved: Sequence[Hold], gpus: dict[str, Any], count: int, root: Path) -> Hold | None:
    """This user's, and of several first one with room for the task now, then the one that lasts longest."""
    me = user_name()
    large = [hold for hold in reserved if hold.is_active and hold.owner == me and _fitting(hold, gpus) >= count]
    if len(large) < 2:
        return next(iter(large), None)
    wanted = [(ticket.reservation_id, ticket.gpu_count) for ticket in queue.line(root)]

    def has_room(hold: Hold) -> bool:
        ahead = sum(number for reservation_id, number in wanted if reservation_id == hold.reservation_id)
        return _fitting(hold, gpus) - len(leases.held_by(root, hold.gpus)) - ahead >= count

    return max(large, key=lambda hold: (has_room(hold), hold.until))


def _fitting(hold: Hold, gpus: dict[str, Any]) -> int:
    return len(set(hold.gpus).intersection(gpus["candidates"]))
