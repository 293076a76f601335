"""Statuses, money and rows of the API."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.tables import each

from flow_core.errors import ConfigError, ProviderError
from flow_core.models.task import TaskStatus
from flow_core.providers.mithril.bid_snapshot import BidSnapshot, merge_status
from flow_core.providers.mithril.bids import Bid, BidInstance, parse_rows, parse_time
from flow_core.providers.mithril.catalog import InstanceType
from flow_core.providers.mithril.exit_status import ExitStatus, parse_node_state
from flow_core.providers.mithril.money import format_usd, parse_cents, parse_usd
from flow_core.providers.mithril.node_ssh import Destination

P, R, C = TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.CANCELLED
PREEMPTING, PAUSED, FAILED = TaskStatus.PREEMPTING, TaskStatus.PAUSED, TaskStatus.FAILED
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@each(
    ("bid", "instances", "status"),
    [
        ("Open", [], P),
        ("Open", ["STATUS_PREEMPTED"], P),
        ("Open", ["STATUS_RUNNING"], P),
        ("Allocated", [], P),
        *(("Allocated", [f"STATUS_{word}"], P) for word in ("NEW", "CONFIRMED", "INITIALIZING", "STARTING")),
        ("Allocated", ["STATUS_RUNNING"], R),
        ("Allocated", ["STATUS_RELOCATING"], PREEMPTING),
        ("Allocated", ["STATUS_PREEMPTING"], PREEMPTING),
        ("Allocated", ["STATUS_PAUSED"], PAUSED),
        ("Allocated", ["STATUS_ERROR"], FAILED),
        *(("Allocated", [f"STATUS_{word}"], C) for word in ("STOPPING", "TERMINATED", "PREEMPTED", "REPLACED")),
        ("Preempting", ["STATUS_PREEMPTING"], PREEMPTING),
        ("Preempting", ["STATUS_RUNNING"], R),
        ("Preempting", [], PREEMPTING),
        ("Paused", [], PAUSED),
        ("Paused", ["STATUS_PAUSED"], PAUSED),
        ("Paused", ["STATUS_TERMINATED"], C),
        ("Terminated", [], C),
        ("Terminated", ["STATUS_TERMINATED"], C),
        ("Terminated", ["STATUS_RUNNING"], R),
        ("allocated", ["running"], R),
        ("Relocating", [], PREEMPTING),
        ("A new word", [], P),
        ("Allocated", ["STATUS_SOMETHING_NEW"], P),
        ("Allocated", ["STATUS_RUNNING", "STATUS_STARTING"], P),
        ("Allocated", ["STATUS_RUNNING", "STATUS_RUNNING"], R),
        ("Allocated", ["STATUS_RUNNING", "STATUS_ERROR"], FAILED),
        ("Allocated", ["STATUS_RUNNING", "STATUS_PREEMPTING"], PREEMPTING),
    ],
)
def test_the_statuses_of_a_bid_and_its_instances_give_one_status(
    bid: str, instances: list[str], status: TaskStatus
) -> None:
    assert merge_status(bid, instances) is status


@each(
    ("value", "usd"),
    [
        ("$12.50", "12.50"),
        ("12.5", "12.5"),
        ("$1,234.00", "1234.00"),
        (12.5, "12.5"),
        (0.1, "0.1"),
        (3, "3"),
        ("$0", "0"),
        *((value, None) for value in (None, "", "$", "free", True, [], {}, "NaN", "inf", float("nan"), "1e99")),
    ],
)
def test_money_is_read_in_every_notation(value: Any, usd: str | None) -> None:
    assert parse_usd(value) == (None if usd is None else Decimal(usd))


def test_money_is_written_with_two_places_and_cents_are_a_hundredth() -> None:
    assert format_usd(Decimal(24)) == "$24.00"
    assert format_usd(Decimal("16.8") * 2) == "$33.60"
    assert parse_cents(1250) == Decimal("12.50")
    assert parse_cents(None) is None


@each(
    ("text", "found"),
    [
        ("localhost:4022", ("localhost", 4022)),
        ("h100-3.example.org", ("h100-3.example.org", 22)),
        ("ubuntu@1.2.3.4:22", ("1.2.3.4", 22)),
        ("[2001:db8::1]:2222", ("2001:db8::1", 2222)),
        *(
            (text, None)
            for text in ("", " ", "a b", "-oProxyCommand=x", "a..b", "a:0", "a:70000", "a:b", "$(x)", "a;b")
        ),
    ],
)
def test_an_address_is_read_or_it_is_none(text: str, found: tuple[str, int] | None) -> None:
    assert Destination.of(text) == found


@given(JSON, JSON, JSON)
def test_any_row_is_a_bid_or_a_provider_error(status: Any, launch: Any, price: Any) -> None:
    row = {"fid": "bid_1", "status": status, "launch_specification": launch, "limit_price": price, "instances": launch}
    for read in (Bid.of, BidInstance.of, InstanceType.of):
        try:
            read(row)
        except ProviderError:
            continue


def test_one_unreadable_row_is_a_warning_and_the_rest_is_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows: list[dict[str, Any]] = [{"fid": "bid_1", "status": "Open"}, {"status": "Open"}, {"fid": "bid_3", "status": 5}]
    with caplog.at_level(logging.WARNING):
        assert [bid.bid_id for bid in parse_rows(rows, Bid.of, "bids")] == ["bid_1"]
    (record,) = caplog.records
    assert (
        record.getMessage()
        == "2 of the bids listed can't be read: the Mithril API left out 'status' of what it answered"
    )


def test_times_are_utc_whatever_their_zone() -> None:
    assert parse_time("2026-01-01T00:00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_time("2026-01-01T02:00:00+02:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_time("2026-01-01T00:00:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert [parse_time(value) for value in (None, "", "soon", 5)] == [None] * 4


def instance(name: str, status: str = "STATUS_RUNNING") -> BidInstance:
    return BidInstance.of({"fid": f"inst_{name}", "name": name, "status": status, "bid": "bid_1"})


def test_nodes_are_sorted_by_number_and_ended_ones_are_shown_only_if_there_are_no_others() -> None:
    bid = Bid.of({"fid": "bid_1", "status": "Allocated", "instance_quantity": 2})
    nodes = [instance("t-10"), instance("t-2"), instance("t-1", "STATUS_PREEMPTED")]
    snapshot = BidSnapshot.of(bid, nodes)
    assert [node.name for node in snapshot.nodes] == ["t-2", "t-10"]
    assert snapshot.is_reachable
    gone = BidSnapshot.of(bid, [instance("t-1", "STATUS_PREEMPTED")])
    assert [node.name for node in gone.nodes] == ["t-1"]
    assert not gone.is_reachable
    assert gone.billed == 0


def test_a_task_has_ended_when_all_nodes_have_ended_or_one_has_failed() -> None:
    late, early = "2026-01-01T00:00:09Z", "2026-01-01T00:00:05Z"
    runs = parse_node_state(f"STARTED_AT={early}")
    good = parse_node_state(f"STARTED_AT={early}\nEXIT_CODE=0\nEXITED_AT={early}")
    bad = parse_node_state(f"ATTEMPT=1\nSTARTED_AT={late}\nEXIT_CODE=3\nEXITED_AT={late}\nREASON=timeout")
    assert [node.status for node in (runs, good, bad)] == ["running", "completed", "failed"]
    assert ExitStatus.of_task([runs, good]).exit_code is None
    assert ExitStatus.of_task([good, good]) == ExitStatus(0, parse_time(early), 0, parse_time(early))
    assert ExitStatus.of_task([runs, bad]) == ExitStatus(1, parse_time(early), 3, parse_time(late), "timeout")
    assert ExitStatus.of_task([good, bad]).exit_code == 3


def test_a_task_that_moves_to_another_machine_keeps_its_start_time() -> None:
    late, early = parse_time("2026-01-01T00:00:09Z"), parse_time("2026-01-01T00:00:05Z")
    assert ExitStatus().with_earliest_start(ExitStatus(started_at=early)).started_at == early
    assert ExitStatus(started_at=late).with_earliest_start(ExitStatus(started_at=early)).started_at == early
    assert ExitStatus(started_at=late).with_earliest_start(None).started_at == late
    assert ExitStatus(started_at=late).with_earliest_start(ExitStatus()).started_at == late


@given(st.text(max_size=200))
def test_whatever_a_node_says_is_read(text: str) -> None:
    assert parse_node_state(text).attempt >= 0


H100 = InstanceType("it_1", "h100-80gb.sxm.8x", "h100", 8, 80, 192, 1800, "SXM5", "InfiniBand")


@each(
    ("text", "is_meant"),
    [
        *((text, True) for text in ("8xh100", "h100:8", "h100x8", "it_1", "h100-80gb.sxm.8x", "H100-80GB.SXM.8x")),
        *((text, True) for text in ("8xh100-80gb", "8x NVIDIA H100 80GB SXM5", "8xgpu:40gb", "8xgpu:80gb")),
        *((text, False) for text in ("h100", "4xh100", "8xa100", "8xh100-94gb", "8xh100-80gb.pcie", "8xgpu:100gb")),
        *((text, False) for text in ("cpu", "it_2")),
    ],
)
def test_a_shorthand_matches_a_type_with_all_its_parts(text: str, is_meant: bool) -> None:
    assert H100.matches_text(text) is is_meant


def test_types_are_shown_as_people_write_them() -> None:
    assert H100.short_name == "8xh100"
    assert InstanceType("it_2", "a100-40gb.1x", "a100", 1, 40, 0, 0, "", "").short_name == "1xa100-40gb"
    with pytest.raises(ConfigError):
        H100.matches_text("8 h100")
