"""Bids and their instances, as the API tells of them. One that can't be read is said once and left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from flow_core.errors import ProviderError
from flow_core.logs.visible import visible
from flow_core.providers.mithril import wire
from flow_core.providers.mithril.money import dollars
from flow_core.providers.mithril.startup.script import command_of

_log = logging.getLogger("flow.mithril")
T = TypeVar("T")
BIDS = "/v2/spot/bids"


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid. `status` is the API's word, whichever it is; the limit is USD per hour and instance; `command` is what
    its script runs, where that is one of ours."""

    bid_id: str
    name: str
    status: str
    created_at: datetime | None
    ended_at: datetime | None
    limit_usd: Decimal | None
    quantity: int
    type_id: str
    region: str
    project_id: str
    created_by: str
    instance_ids: tuple[str, ...]
    volume_ids: tuple[str, ...]
    key_ids: tuple[str, ...]
    startup_script: str
    command: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Bid:
        """Raises ProviderError."""
        launch = row.get("launch_specification")
        launch = launch if isinstance(launch, dict) else {}
        quantity, script = row.get("instance_quantity"), wire.optional(launch, "startup_script")
        return cls(
            wire.text(row, "fid", "id"),
            wire.optional(row, "name"),
            wire.text(row, "status"),
            moment(row.get("created_at")),
            moment(row.get("deactivated_at")),
            dollars(row.get("limit_price")),
            quantity if isinstance(quantity, int) and quantity > 0 else 1,
            wire.optional(row, "instance_type"),
            wire.optional(row, "region"),
            wire.optional(row, "project"),
            wire.optional(row, "created_by"),
            _ids(row.get("instances")),
            _ids(launch.get("volumes")),
            _ids(launch.get("ssh_keys")),
            script,
            command_of(script),
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine of a bid or a reservation."""

    instance_id: str
    name: str
    status: str
    order_id: str
    created_at: datetime | None
    ssh_destination: str
    private_ip: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Instance:
        """Raises ProviderError."""
        return cls(
            wire.text(row, "fid", "id"),
            wire.optional(row, "name"),
            wire.text(row, "status"),
            wire.optional(row, "bid", "reservation"),
            moment(row.get("created_at")),
            wire.optional(row, "ssh_destination"),
            wire.optional(row, "private_ip"),
        )

    @property
    def place(self) -> tuple[int, float]:
        """Sorts the nodes of an order: by the number at the end of the name, else by age."""
        number = self.name.rpartition("-")[2]
        age = self.created_at.timestamp() if self.created_at else 0.0
        return (int(number[:9]) if number.isdecimal() else 1 << 30, age)


def readable(rows: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], T], noun: str) -> Iterator[T]:
    """What can be read of a listing; the rest is one warning in the log."""
    broken = 0
    why = ""
    for row in rows:
        try:
            yield read(row)
        except ProviderError as error:
            broken, why = broken + 1, str(error)
    if broken:
        _warn(f"{broken} of the {noun} listed can't be read: {visible(why)}")


@lru_cache(maxsize=64)
def _warn(sentence: str) -> None:
    """Once: a list is asked for every few seconds."""
    _log.warning("%s", sentence)


def moment(value: Any) -> datetime | None:
    """An ISO time, in UTC; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _ids(value: Any) -> tuple[str, ...]:
    """Ids in a list, which may hold them within tables."""
    found = value if isinstance(value, list) else []
    names = [one.get("fid") if isinstance(one, dict) else one for one in found]
    return tuple(name for name in names if isinstance(name, str) and wire.is_id(name))
