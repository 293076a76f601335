"""Bids and their instances from the API's lists. A row that can't be read is left out and reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from flow_core.errors import ProviderError, printable
from flow_core.identifiers import is_bid_id, is_cloud_id
from flow_core.logs.escape import escape_controls
from flow_core.providers.contract.listing import Listing
from flow_core.providers.mithril import response_fields
from flow_core.providers.mithril.money import parse_usd
from flow_core.providers.mithril.startup.script import is_flow_script, parse_command

_log = logging.getLogger("flow.mithril")
T = TypeVar("T")
BIDS = "/v2/spot/bids"
_STATUS_CHARACTERS = 64
_MACHINES_MAX = 10_000
_FIRST_YEAR, _LAST_YEAR = 1970, 9000


@dataclass(frozen=True, slots=True)
class Bid:
    """One bid. `status` is the API's text, known or not. The limit is USD per hour and instance.

    `command` is what its startup script runs, if flow wrote the script. The script itself, up to 10 kB, isn't kept.
    """

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
    is_from_flow: bool
    command: str

    @property
    def is_over(self) -> bool:
        return self.status == "Terminated"

    @classmethod
    def of(cls, row: dict[str, Any]) -> Bid:
        """Parses a row. Raises ProviderError."""
        launch = _read_launch(row)
        script = read_script(row)
        return cls(
            response_fields.read_id(row, check=is_bid_id),
            response_fields.read_label(row, "name"),
            escape_controls(response_fields.read_text(row, "status")[:_STATUS_CHARACTERS]),
            parse_time(row.get("created_at")),
            parse_time(row.get("deactivated_at")),
            parse_usd(row.get("limit_price")),
            _parse_quantity(row.get("instance_quantity")),
            response_fields.read_word(row, "instance_type"),
            response_fields.read_word(row, "region"),
            response_fields.read_word(row, "project"),
            response_fields.read_word(row, "created_by"),
            parse_ids(row.get("instances")),
            parse_ids(launch.get("volumes")),
            parse_ids(launch.get("ssh_keys")),
            is_flow_script(script),
            parse_command(script),
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
        """Parses a row. Raises ProviderError."""
        return cls(
            response_fields.read_id(row),
            response_fields.read_label(row, "name"),
            escape_controls(response_fields.read_text(row, "status")[:_STATUS_CHARACTERS]),
            response_fields.read_word(row, "bid", "reservation"),
            parse_time(row.get("created_at")),
            response_fields.read_word(row, "ssh_destination"),
            response_fields.read_word(row, "private_ip"),
        )

    @property
    def sort_key(self) -> tuple[int, float]:
        """The sort key of the nodes of an order: the number at the end of the name; without one, the age."""
        number = self.name.rpartition("-")[2]
        age = self.created_at.timestamp() if self.created_at else 0.0
        return (int(number[:9]) if number.isdecimal() else 1 << 30, age)


class UnreadableRow(NamedTuple):
    """A row that can't be read, and why."""

    reason: str


BidRow = Bid | UnreadableRow


def parse_each_row(rows: Iterable[Any], read: Callable[[dict[str, Any]], T]) -> tuple[T | UnreadableRow, ...]:
    """Returns what `read` returns for each row, in their order."""
    parsed: list[T | UnreadableRow] = []
    for row in rows:
        try:
            parsed.append(read(_check_table(row)))
        except ProviderError as error:
            parsed.append(UnreadableRow(str(error)))
    return tuple(parsed)


def drop_unreadable(rows: Iterable[T | UnreadableRow], noun: str, *, may_be_none: bool = False) -> Listing[T]:
    """Returns the rows that could be read. The others become one note, and one warning in the log.

    Raises ProviderError if no row can be read, because an empty list would look as if there were no rows. With
    `may_be_none` it returns the empty list.
    """
    listed: list[T] = []
    broken: list[UnreadableRow] = []
    for row in rows:
        if isinstance(row, UnreadableRow):
            broken.append(row)
        else:
            listed.append(row)
    if not broken:
        return Listing(listed)
    sentence = f"{len(broken)} of the {noun} listed can't be read: {escape_controls(broken[-1].reason)}"
    _warn(sentence)
    if not listed and not may_be_none:
        raise ProviderError(f"the Mithril API answered nothing that can be read: {sentence}")
    return Listing.of(listed, [sentence])


def parse_rows(
    rows: Iterable[Any], read: Callable[[dict[str, Any]], T], noun: str, *, may_be_none: bool = False
) -> Listing[T]:
    """Returns the rows of a list that can be read. Notes and errors as in `drop_unreadable`."""
    return drop_unreadable(parse_each_row(rows, read), noun, may_be_none=may_be_none)


def _check_table(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ProviderError("a row is no table")
    return row


@lru_cache(maxsize=64)
def _warn(sentence: str) -> None:
    """Logs each warning once, since lists are polled every few seconds."""
    _log.warning("%s", sentence)


def parse_time(value: Any) -> datetime | None:
    """Parses an ISO time, and converts it to UTC; None for anything else."""
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
        if parsed is not None and parsed.tzinfo is not UTC:
            parsed = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # Near the ends of the calendar, conversions to a time zone and sums fail.
    return parsed if parsed is not None and _FIRST_YEAR <= parsed.year <= _LAST_YEAR else None


def read_script(row: dict[str, Any]) -> str:
    """Returns the startup script of a bid; empty if the row has none."""
    return response_fields.read_optional(_read_launch(row), "startup_script")


def _read_launch(row: dict[str, Any]) -> dict[str, Any]:
    launch = row.get("launch_specification")
    return launch if isinstance(launch, dict) else {}


def _parse_quantity(value: Any) -> int:
    """Returns the number of machines of a bid; 1 if it is missing. Raises ProviderError."""
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MACHINES_MAX:
        raise ProviderError(f"the Mithril API gave the instance_quantity {printable(str(value))!r}, which can't be one")
    return value


def parse_ids(value: Any) -> tuple[str, ...]:
    """Returns the ids of a list, whose entries are ids or tables with an id."""
    if not value or not isinstance(value, list):
        return ()
    ids = []
    for entry in value:
        name = entry.get("fid") if isinstance(entry, dict) else entry
        if isinstance(name, str) and is_cloud_id(name):
            ids.append(name)
    return tuple(ids)
