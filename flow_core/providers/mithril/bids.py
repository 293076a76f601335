"""Bids and their instances as the API lists them. A row that can't be read is left out and reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from flow_core.errors import ProviderError, printable
from flow_core.identifiers import is_bid_id, is_cloud_id
from flow_core.logs.escape import escape_controls
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.money import dollars
from flow_core.providers.mithril.startup.script import command_of

_log = logging.getLogger("flow.mithril")
T = TypeVar("T")
BIDS = "/v2/spot/bids"
_LONGEST_WORD = 64
_MOST_MACHINES = 10_000
_FIRST_YEAR, _LAST_YEAR = 1970, 9000


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
        script = response_fields.optional(launch, "startup_script")
        return cls(
            response_fields.identifier(row, check=is_bid_id),
            response_fields.label(row, "name"),
            escape_controls(response_fields.text(row, "status")[:_LONGEST_WORD]),
            moment(row.get("created_at")),
            moment(row.get("deactivated_at")),
            dollars(row.get("limit_price")),
            _quantity(row.get("instance_quantity")),
            response_fields.word(row, "instance_type"),
            response_fields.word(row, "region"),
            response_fields.word(row, "project"),
            response_fields.word(row, "created_by"),
            ids_in(row.get("instances")),
            ids_in(launch.get("volumes")),
            ids_in(launch.get("ssh_keys")),
            script,
            command_of(script),
        )


@dataclass(frozen=True, slots=True)
class BidInstance:
    """One machine of a bid or a reservation."""

    instance_id: str
    name: str
    status: str
    order_id: str
    created_at: datetime | None
    ssh_destination: str
    private_ip: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> BidInstance:
        """Raises ProviderError."""
        return cls(
            response_fields.identifier(row),
            response_fields.label(row, "name"),
            escape_controls(response_fields.text(row, "status")[:_LONGEST_WORD]),
            response_fields.word(row, "bid", "reservation"),
            moment(row.get("created_at")),
            response_fields.word(row, "ssh_destination"),
            response_fields.word(row, "private_ip"),
        )

    @property
    def place(self) -> tuple[int, float]:
        """Sorts the nodes of an order: by the number at the end of the name, else by age."""
        number = self.name.rpartition("-")[2]
        age = self.created_at.timestamp() if self.created_at else 0.0
        return (int(number[:9]) if number.isdecimal() else 1 << 30, age)


def readable(
    rows: Iterable[Any], read: Callable[[dict[str, Any]], T], noun: str, *, may_be_none: bool = False
) -> Listing[T]:
    """What can be read of a listing. The rest is one note, and one warning in the log.

    Raises ProviderError where no row can be read, unless there `may_be_none`: that looks like an empty list, but isn't.
    """
    found: list[T] = []
    broken: list[str] = []
    for row in rows:
        try:
            found.append(read(_table(row)))
        except ProviderError as error:
            broken.append(str(error))
    if not broken:
        return Listing(found)
    sentence = f"{len(broken)} of the {noun} listed can't be read: {escape_controls(broken[-1])}"
    _warn(sentence)
    if not found and not may_be_none:
        raise ProviderError(f"the Mithril API answered nothing that can be read: {sentence}")
    return Listing.of(found, [sentence])


def _table(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ProviderError("a row is no table")
    return row


@lru_cache(maxsize=64)
def _warn(sentence: str) -> None:
    """Once: a list is asked for every few seconds."""
    _log.warning("%s", sentence)


def moment(value: Any) -> datetime | None:
    """An ISO time, in UTC; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is not None:
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Near the ends of the calendar no time zone and no sum can be reckoned with.
    return found if found is not None and _FIRST_YEAR <= found.year <= _LAST_YEAR else None


def _quantity(value: Any) -> int:
    """How many machines a bid is for; 1 where that isn't given. Raises ProviderError."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_MACHINES:
        raise ProviderError(f"the Mithril API gave the instance_quantity {printable(str(value))!r}, which can't be one")
    return value


def ids_in(value: Any) -> tuple[str, ...]:
    """Ids in a list, which may hold them within tables."""
    found = value if isinstance(value, list) else []
    names = [one.get("fid") if isinstance(one, dict) else one for one in found]
    return tuple(name for name in names if isinstance(name, str) and is_cloud_id(name))
