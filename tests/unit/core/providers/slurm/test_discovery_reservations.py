"""Reservations from what scontrol prints, and the periods in which nodes are free."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from testbed.sentences import is_a_sentence
from testbed.tables import each

from flow_core.errors import (
    AuthError,
    CapacityError,
    ConfigError,
    Conflict,
    FlowError,
    NotFound,
    ProviderError,
    Unreachable,
)
from flow_core.gpu_shorthand import parse_gpu
from flow_core.models.reservation import ReservationStatus
from flow_core.providers.slurm.discovery.cluster_reader import ClusterState
from flow_core.providers.slurm.discovery.node import Condition, Node
from flow_core.providers.slurm.discovery.node_calendar import NodeCalendar, build_calendar
from flow_core.providers.slurm.discovery.node_choice import list_pools
from flow_core.providers.slurm.discovery.partition import Partition
from flow_core.providers.slurm.discovery.reservation_query import SlotQuery
from flow_core.providers.slurm.discovery.reservation_refusals import build_reservation_refusal
from flow_core.providers.slurm.discovery.reservation_rows import (
    ListedReservation,
    build_reservation,
    parse_reservations,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LINE = (
    "ReservationName=core StartTime=2026-03-02T10:00:00 EndTime=2026-03-02T13:00:00 Duration=03:00:00 Nodes=node[1-2]"
    " NodeCnt=2 CoreCnt=16 Features=(null) PartitionName=gpu Flags=SPEC_NODES TRES=cpu=16 Users=ana,ben Groups=(null)"
    " Accounts=(null) Licenses=(null) State=ACTIVE BurstBuffer=(null) Watts=n/a MaxStartDelay=(null)"
)


def node(name: str, gpus: int = 4, **fields: Any) -> Node:
    kinds = {"a100": gpus} if gpus else {}
    defaults = {"condition": Condition.READY, "partitions": ("gpu",), "cpus": 8, "gpus": kinds}
    return Node(name, **{**defaults, **fields})


def at(hours: float) -> datetime:
    return NOW + hours * HOUR


def test_a_reservation_is_read_with_its_nodes_and_users() -> None:
    (row,), unreadable = parse_reservations(f"No reservations\n{LINE}\n")
    assert unreadable == 0
    assert (row.name, row.start, row.end, row.nodes) == ("core", at(-2), at(1), ("node1", "node2"))
    assert (row.partition, row.flags, row.users, row.accounts) == ("gpu", {"SPEC_NODES"}, ("ana", "ben"), ())
    nodes = {name: node(name) for name in ("node1", "node2")}
    reservation = build_reservation(row, nodes, "lab", NOW)
    assert (reservation.reservation_id, reservation.status) == ("core", ReservationStatus.ACTIVE)
    assert (reservation.instance_type, reservation.quantity, reservation.region) == ("4xa100", 2, "gpu")
    assert reservation.instances == ("node1", "node2")


def test_a_name_may_contain_anything_and_a_line_without_times_is_counted() -> None:
    name = "a b'c State=INACTIVE \x1b[31m"
    text = f"{LINE.replace('=core ', f'={name} ')}\nReservationName=x Nodes=y\nReservationName=z StartTime=n EndTime=m"
    (row,), unreadable = parse_reservations(text)
    assert row.name == "a b'c State=INACTIVE ␛[31m"
    assert unreadable == 2
    assert parse_reservations("No reservations in the system") == ([], 0)


@each(
    "change, status",
    [
        (("State=ACTIVE", "State=ACTIVE"), ReservationStatus.ACTIVE),
        (("State=ACTIVE", "State=INACTIVE"), ReservationStatus.PENDING),
        (("2026-03-02T10:00:00", "2026-03-02T12:30:00"), ReservationStatus.SCHEDULED),
        (("2026-03-02T13:00:00", "2026-03-02T11:00:00"), ReservationStatus.ENDED),
    ],
)
def test_its_status_follows_from_its_times(change: tuple[str, str], status: ReservationStatus) -> None:
    line = LINE.replace(*change)
    if status is not ReservationStatus.ACTIVE:
        line = line.replace("State=ACTIVE", "State=INACTIVE")
    (row,), _ = parse_reservations(line)
    assert build_reservation(row, {}, "lab", NOW).status is status


@each(
    "change, instance_type, quantity",
    [
        (("", ""), "4xa100", 2),
        (("TRES=cpu=16", "TRES=cpu=3"), "3xcpu", 1),
        (("TRES=cpu=16", "TRES=cpu=16,gres/gpu=3,gres/gpu:h100=3"), "3xh100", 1),
        (("TRES=cpu=16", "TRES=gres/gpu=2"), "2xgpu", 1),
        (("Nodes=node[1-2]", "Nodes=(null)"), "cpu", 0),
        (("Nodes=node[1-2]", "Nodes=gone[1-3]"), "cpu", 3),
    ],
)
def test_what_it_holds_is_an_instance_type(change: tuple[str, str], instance_type: str, quantity: int) -> None:
    (row,), _ = parse_reservations(LINE.replace(*change) if change[0] else LINE)
    reservation = build_reservation(row, {name: node(name) for name in ("node1", "node2")}, "lab", NOW)
    assert (reservation.instance_type, reservation.quantity) == (instance_type, quantity)


def test_a_reservation_that_repeats_blocks_its_later_periods_too() -> None:
    (row,), _ = parse_reservations(LINE.replace("Flags=SPEC_NODES", "Flags=DAILY,SPEC_NODES"))
    assert row.repeats_after == timedelta(days=1)
    calendar = build_calendar([], [row], "", NOW)
    assert not calendar.is_free("node1", at(23), at(24))
    assert calendar.is_free("node1", at(2), at(22))
    assert not calendar.is_free("node2", at(24 * 30), at(24 * 30 + 0.5))


def test_jobs_use_their_nodes_until_their_limit() -> None:
    nodes = [node("a"), node("b", is_idle=False), node("c", is_idle=False), node("d", is_idle=False)]
    jobs = "b|2026-03-02T14:00:00\nc,x[1-2]|N/A\nb|2026-03-02T11:59:00\n"
    calendar = build_calendar(nodes, [], jobs, NOW)
    free = {name: [calendar.is_free(name, at(start), at(start + 1)) for start in (0, 1.5, 2)] for name in "abcd"}
    assert free == {"a": [True] * 3, "b": [False, False, True], "c": [False] * 3, "d": [False] * 3}
    assert not calendar.is_free("x2", NOW, at(1))


@each(
    "periods, slots",
    [
        ({}, [(0, 10, 5)]),
        ({"a": [(2, 4)]}, [(0, 2, 5), (2, 4, 1), (4, 10, 5)]),
        ({"a": [(-1, 4), (3, 5)]}, [(0, 5, 1), (5, 10, 5)]),
        ({"a": [(0, 10)], "b": [(2, 20)]}, [(0, 2, 1)]),
        ({"a": [(2, 4)], "b": [(4, 6)]}, [(0, 2, 5), (2, 4, 1), (4, 6, 4), (6, 10, 5)]),
        ({"a": [(2, 4), (4, 6)]}, [(0, 2, 5), (2, 6, 1), (6, 10, 5)]),
        ({"a": [(10, 12)], "other": [(0, 10)]}, [(0, 10, 5)]),
    ],
)
def test_slots_are_the_periods_in_which_the_same_nodes_are_free(
    periods: dict[str, list[tuple[float, float]]], slots: list[tuple[float, float, int]]
) -> None:
    calendar = NodeCalendar({name: [(at(start), at(end)) for start, end in each] for name, each in periods.items()})
    found = calendar.list_slots({"a": 4, "b": 1}, at(0), at(10))
    assert list(found) == [(at(start), at(end), quantity) for start, end, quantity in slots]


def test_nodes_are_chosen_in_one_partition_small_and_idle_ones_first() -> None:
    nodes = (
        node("big", gpus=8),
        node("busy", is_idle=False),
        node("idle"),
        node("down", condition=Condition.DOWN),
        node("plain", gpus=0),
        node("old", gpus=2, partitions=("old",)),
    )
    state = ClusterState(nodes, (Partition("old"), Partition("gpu", is_default=True)))
    pools = list(list_pools(state, parse_gpu("2xa100"), None, None))
    assert [(pool.partition, pool.total) for pool in pools] == [("gpu", 8), ("old", 1)]
    free = {"big", "busy", "idle", "old"}
    assert pools[0].pick(1, free) == ("idle",)
    assert pools[0].pick(3, free) == ("idle", "busy")
    assert pools[0].pick(5, free) == ("idle", "busy", "big")
    assert pools[0].pick(5, {"big"}) is None
    assert [pool.partition for pool in list_pools(state, parse_gpu("a100"), "old", "gpu")] == ["old"]
    assert [pool.partition for pool in list_pools(state, parse_gpu("a100"), None, "old,gone")] == ["old"]
    (cpus,) = list_pools(state, parse_gpu("cpu"), "gpu", None)
    assert cpus.capacities == {"plain": 1}
    (parts,) = list_pools(state, parse_gpu("4xcpu"), "old", None)
    assert parts.capacities == {"old": 2}
    assert list(list_pools(state, parse_gpu("h100"), None, None)) == []
    with pytest.raises(ConfigError, match="'mars' is no partition here; there are old, gpu"):
        list(list_pools(state, parse_gpu("a100"), "mars", None))


def test_a_query_covers_two_weeks_from_now_on_by_default() -> None:
    query = SlotQuery.parse({"instance_type": "4xa100"}, NOW)
    assert (query.quantity, query.start, query.end, query.region) == (1, NOW, NOW + timedelta(days=14), None)
    times = {"earliest_start_time": "2026-03-03T00:00:00", "latest_end_time": at(48)}
    later = SlotQuery.parse({"instance_type": "cpu", "quantity": 2, "region": "gpu", **times}, NOW)
    assert (later.quantity, later.start, later.end, later.region) == (2, at(12), at(48), "gpu")
    assert SlotQuery.parse({"instance_type": "a100", "earliest_start_time": at(-5)}, NOW).start == NOW


@each(
    "params, field",
    [
        ({}, "instance_type"),
        ({"instance_type": 4}, "instance_type"),
        ({"instance_type": "it_RrgkIZz6c9BZu5gi"}, "instance_type"),
        ({"instance_type": "a100", "quantity": 0}, "quantity"),
        ({"instance_type": "a100", "quantity": True}, "quantity"),
        ({"instance_type": "a100", "region": 7}, "region"),
        ({"instance_type": "a100", "earliest_start_time": "soon"}, "earliest_start_time"),
        ({"instance_type": "a100", "latest_end_time": 5}, "latest_end_time"),
        ({"instance_type": "a100", "zone": "x"}, "zone"),
    ],
)
def test_a_query_that_can_not_be_read_names_its_parameter(params: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        SlotQuery.parse(params, NOW)
    assert refused.value.field == field


@each(
    "text, error, words",
    [
        ("Error creating the reservation: Access/permission denied", AuthError, "permission"),
        ("Error creating the reservation: Invalid user id", AuthError, "permission"),
        ("delete_reservation ReservationName=core: Invalid user id", AuthError, "permission"),
        ("Error creating the reservation: Requested nodes are busy", CapacityError, "taken"),
        (
            "Error creating the reservation: Requested reservation overlaps with another reservation",
            CapacityError,
            "taken",
        ),
        ("Error creating the reservation: Duplicate reservation name", Conflict, "this name"),
        ("delete_reservation ReservationName=r1: Requested reservation is in use", Conflict, "tasks run"),
        ("delete_reservation ReservationName=nosuch: Requested reservation is invalid", NotFound, "no such"),
        ("Error creating the reservation: Invalid time specified", ConfigError, "later"),
        ("Error creating the reservation: Invalid partition name specified", ConfigError, "partition"),
        ("Error creating the reservation: Unable to contact slurm controller (connect failure)", Unreachable, "lab"),
        ("Error creating the reservation: \x1b[31mSome new reason", ProviderError, "Some new reason"),
        ("", ProviderError, "without a reason"),
    ],
)
def test_a_refusal_of_scontrol_is_a_sentence(text: str, error: type[FlowError], words: str) -> None:
    refused = build_reservation_refusal(text.encode(), "login node 'lab'")
    assert type(refused) is error
    assert words in str(refused)
    assert is_a_sentence(refused)


def test_a_reservation_without_an_end_never_ends() -> None:
    row = ListedReservation("x", at(-1), nodes=("a",))
    assert not build_calendar([], [row], "", NOW).is_free("a", at(10_000), at(10_001))
    assert build_reservation(row, {}, "lab", NOW).end_time_utc is None
