"""Reservations through the client: what passes the gate, and what an engine without them answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flow_core.audit import AuditLog, Gate
from flow_core.client.flow import AsyncFlow
from flow_core.errors import CapacityError, ConfigError, NotFound, ReadOnly, Unsupported
from flow_core.models.reservation import ReservationStatus


@pytest.fixture(autouse=True)
def _gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOW_LOCAL_GPUS", "a100:2")


@pytest.fixture
async def flow(tmp_path: Path) -> AsyncIterator[AsyncFlow]:
    async with AsyncFlow("local", gate=Gate(log=AuditLog(tmp_path / "actions.jsonl"))) as opened:
        yield opened


async def test_what_is_reserved_is_listed_got_and_given_back_through_the_gate(flow: AsyncFlow) -> None:
    made = await flow.reserve("a100:2", duration_hours=2, name="night")
    assert made.end_time_utc is not None
    assert (made.end_time_utc - made.start_time_utc, made.name) == (timedelta(hours=2), "night")
    assert await flow.list_reservations() == [made]
    assert await flow.get_reservation(made.id) == made
    await flow.cancel_reservation(made.id)
    await flow.cancel_reservation(made.id)
    assert [one.status for one in await flow.list_reservations({"status": "canceled"})] == [ReservationStatus.CANCELED]
    actions = flow.gate.log.read_recent()
    assert [action.verb for action in actions] == ["cancel reservation", "cancel reservation", "reserve"]
    assert actions[-1].call == "keep 1 x a100:2 from now for 2 h"


async def test_while_read_only_nothing_is_reserved_or_given_back(flow: AsyncFlow) -> None:
    made = await flow.reserve("a100")
    flow.gate.read_only = True
    with pytest.raises(ReadOnly):
        await flow.reserve("a100")
    with pytest.raises(ReadOnly):
        await flow.cancel_reservation(made.id)
    assert await flow.list_reservations() == [made]


@pytest.mark.parametrize(
    ("gpu", "fields", "error"),
    [
        ("", {}, ConfigError),
        (7, {}, ConfigError),
        ("cpu", {}, ConfigError),
        ("a100", {"duration_hours": 0}, ConfigError),
        ("a100", {"duration_hours": "long"}, ConfigError),
        ("a100", {"duration_hours": 10**9}, ConfigError),
        ("a100", {"colour": "red"}, ConfigError),
        ("a100", {"name": "\x1b[2J"}, ConfigError),
        ("a100", {"quantity": 3}, CapacityError),
        ("h100", {}, CapacityError),
    ],
)
async def test_what_can_not_be_reserved_leaves_nothing_behind(flow: AsyncFlow, gpu, fields, error) -> None:
    with pytest.raises(error):
        await flow.reserve(gpu, **fields)
    assert await flow.list_reservations() == []


async def test_an_unknown_reservation_is_none_and_can_not_be_cancelled(flow: AsyncFlow) -> None:
    for unknown in ("res_aaaaaaaaaa", "../../etc/passwd", "x" * 10_000, "\x00"):
        assert await flow.get_reservation(unknown) is None
        with pytest.raises(NotFound):
            await flow.cancel_reservation(unknown)
    for wrong in ("", " ", 5, None):
        with pytest.raises(ConfigError):
            await flow.get_reservation(wrong)  # type: ignore[arg-type]


async def test_availability_is_empty_on_error_and_else_says_when(flow: AsyncFlow) -> None:
    await flow.reserve("a100")
    soon = datetime.now(UTC) + timedelta(hours=5)
    slots = await flow.reservation_availability({"instance_type": "a100:2", "latest_end_time": soon})
    assert [(slot["quantity"], slot["end_time"]) for slot in slots] == [(1, soon.isoformat())]
    assert await flow.reservation_availability({}) == []
    assert await flow.reservation_availability({"instance_type": "a100", "colour": "red"}) == []
    with pytest.raises(ConfigError, match="params: must be a table"):
        await flow.reservation_availability("a100")  # type: ignore[arg-type]


async def test_an_engine_without_reservations_has_none(flow: AsyncFlow) -> None:
    flow.provider.reservations = None
    assert await flow.list_reservations() == []
    assert await flow.get_reservation("res_aaaaaaaaaa") is None
    assert await flow.reservation_availability({"instance_type": "a100"}) == []
    with pytest.raises(Unsupported):
        await flow.reserve("a100")
    with pytest.raises(Unsupported):
        await flow.cancel_reservation("res_aaaaaaaaaa")


@pytest.mark.parametrize(
    ("requirements", "types"),
    [
        ({"instance_type": "a100"}, ["1xa100"]),
        ({"instance_type": "A100:2"}, ["2xa100"]),
        ({"instance_type": "a100-80gb.2x"}, ["2xa100"]),
        ({"instance_type": "gpu:40gb"}, ["1xa100"]),
        ({"instance_type": "cpu"}, ["cpu"]),
        ({"instance_type": "1xa100", "region": None}, ["1xa100"]),
        ({"gpu_type": "A100-80GB"}, ["1xa100", "2xa100"]),
        ({"gpu_type": "h100"}, []),
        ({"instance_type": "a100-40gb"}, []),
    ],
)
async def test_instances_are_found_by_any_way_to_write_them(
    flow: AsyncFlow, requirements: Any, types: list[str]
) -> None:
    assert [one.instance_type for one in await flow.find_instances(requirements)] == types


async def test_a_type_that_exists_only_in_other_sizes_is_a_warning(flow: AsyncFlow) -> None:
    for wanted in ({"instance_type": "8xa100"}, {"gpu_type": "a100", "gpu_count": 8}):
        with pytest.warns(UserWarning, match="no instance fits; .*a100 is offered only as 1xa100, 2xa100"):
            assert await flow.find_instances(wanted) == []  # type: ignore[arg-type]
