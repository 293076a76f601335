"""The reservations of the cluster, as `scontrol show reservation` prints them, and as models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flow_core.models.reservation import Reservation, ReservationStatus
from flow_core.providers.slurm.discovery.gres import name_instance_type, parse_gpus
from flow_core.providers.slurm.discovery.node import Node, read_field
from flow_core.providers.slurm.queue.hostlist import expand_hostlist
from flow_core.providers.slurm.queue.values import clean_label, parse_time, parse_tres

_START = "ReservationName="
_NAME = re.compile(r"ReservationName=(.*?) StartTime=(?=\S+ EndTime=)")
_PERIODS = {
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKDAY": timedelta(days=1),
    "WEEKEND": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class ListedReservation:
    """A reservation. `tres` is what it holds of its nodes, such as cpu=8. `end` is None if it has none.

    `users`, `accounts` and `groups` are those that may use it; empty ones don't limit it.
    """

    name: str
    start: datetime
    end: datetime | None = None
    nodes: tuple[str, ...] = ()
    partition: str = ""
    flags: frozenset[str] = frozenset()
    tres: str = ""
    users: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    is_active: bool = False

    @property
    def repeats_after(self) -> timedelta | None:
        """The time from one start to the next; None for a reservation that does not repeat."""
        return next((period for flag, period in _PERIODS.items() if flag in self.flags), None)


def parse_reservations(text: str) -> tuple[list[ListedReservation], int]:
    """Parses the lines of `scontrol -o show reservation`. Returns the rows, and the number of unreadable ones."""
    lines = [line for line in text.split("\n") if line.startswith(_START)]
    rows = [row for line in lines if (row := _parse_row(line)) is not None]
    return rows, len(lines) - len(rows)


def build_reservation(row: ListedReservation, nodes: Mapping[str, Node], context: str, now: datetime) -> Reservation:
    """Returns the model. `nodes` are those of the cluster, by name."""
    instance_type, quantity = _find_instances(row, nodes)
    return Reservation(
        context=context,
        reservation_id=row.name,
        status=_find_status(row, now),
        instance_type=instance_type,
        quantity=quantity,
        start_time_utc=row.start,
        end_time_utc=row.end,
        name=row.name,
        region=row.partition,
        instances=row.nodes,
        provider_metadata={
            "users": row.users,
            "accounts": row.accounts,
            "groups": row.groups,
            "flags": tuple(sorted(row.flags)),
            "repeats": row.repeats_after is not None,
        },
    )


def _parse_row(line: str) -> ListedReservation | None:
    found = _NAME.match(line)
    start = parse_time(read_field(line, "StartTime"))
    if found is None or start is None:
        return None
    rest = line[found.end(1) :]
    return ListedReservation(
        name=clean_label(found[1]),
        start=start,
        end=parse_time(read_field(rest, "EndTime")),
        nodes=tuple(clean_label(name) for name in expand_hostlist(read_field(rest, "Nodes"))),
        partition=clean_label(read_field(rest, "PartitionName")),
        flags=frozenset(flag.lstrip("+") for flag in read_field(rest, "Flags").split(",") if flag),
        tres=read_field(rest, "TRES"),
        users=_read_names(rest, "Users"),
        accounts=_read_names(rest, "Accounts"),
        groups=_read_names(rest, "Groups"),
        is_active=read_field(rest, "State") == "ACTIVE",
    )


def _read_names(line: str, name: str) -> tuple[str, ...]:
    return tuple(clean_label(part) for part in read_field(line, name).split(",") if part)


def _find_status(row: ListedReservation, now: datetime) -> ReservationStatus:
    if row.is_active:
        return ReservationStatus.ACTIVE
    if row.end is not None and row.end <= now:
        return ReservationStatus.ENDED
    return ReservationStatus.SCHEDULED if row.start > now else ReservationStatus.PENDING


def _find_instances(row: ListedReservation, nodes: Mapping[str, Node]) -> tuple[str, int]:
    """Returns what is reserved: parts of nodes as one instance, or whole nodes, by the most frequent kind of them."""
    gpus = parse_gpus(row.tres)
    gpus = {name: count for name, count in gpus.items() if name or len(gpus) == 1}
    if gpus:
        name, count = max(gpus.items(), key=lambda item: item[1])
        return name_instance_type(name, count), 1
    known = [nodes[name] for name in row.nodes if name in nodes]
    cpus = parse_tres(row.tres).cpu_count
    if cpus is not None and cpus < sum(node.cpus for node in known):
        return f"{cpus}xcpu", 1
    kinds = Counter(_name_largest(node) for node in known)
    return (kinds.most_common(1)[0][0] if kinds else "cpu"), len(row.nodes)


def _name_largest(node: Node) -> str:
    name, count = max(node.gpus.items(), key=lambda item: item[1], default=("", 0))
    return name_instance_type(name, count)
