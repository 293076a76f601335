"""Reservations of GPUs: which are refused, and their reports while no task runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flow_core.errors import CapacityError, ConfigError, Conflict, NotFound, Unsupported
from flow_core.models.reservation import Reservation
from flow_core.models.reservation_spec import ReservationSpec


async def reserve(machine: Any, gpu: str = "a100:2", **fields: Any) -> Reservation:
    made: Reservation = await machine.provider.reservations.create(ReservationSpec(instance_type=gpu, **fields))
    return made


async def test_of_many_that_reserve_at_once_each_gpu_goes_to_one(machine):
    places = [machine.open(name).reservations for name in ("local", "lab") * 4]
    asked = [place.create(ReservationSpec(instance_type="a100")) for place in places]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, Reservation)]
    assert sorted(gpu for one in made for gpu in one.provider_metadata["gpus"]) == ["pretend-a100-0", "pretend-a100-1"]
    assert {type(answer) for answer in answers} == {Reservation, CapacityError}


@pytest.mark.parametrize(
    ("fields", "error", "named"),
    [
        ({"instance_type": "8xcpu"}, ConfigError, "instance_type"),
        ({"start_time_utc": datetime.now(UTC) - timedelta(hours=1)}, ConfigError, "start_time_utc"),
        ({"start_time_utc": datetime.max}, ConfigError, "start_time_utc"),
        ({"region": "elsewhere"}, ConfigError, "region"),
        ({"project_id": "other"}, ConfigError, "project_id"),
        ({"startup_script": "true"}, Unsupported, "startup_script"),
    ],
)
async def test_a_reservation_that_means_nothing_here_is_refused_by_field(machine, fields, error, named):
    with pytest.raises(error, match=named):
        await machine.provider.reservations.create(ReservationSpec(**{"instance_type": "a100"} | fields))
    assert await machine.provider.reservations.list({}) == ()


async def test_a_task_may_not_name_what_is_unknown_over_or_too_small(machine):
    small = await reserve(machine, "a100")
    for reservation_id in ("res_aaaaaaaaaa", "../../x", "\x1b[2J"):
        with pytest.raises(NotFound):
            await machine.submit("true", instance_type="a100", reservation_id=reservation_id)
    with pytest.raises(CapacityError, match="has 1 x a100; the task requests 2"):
        await machine.submit("true", instance_type="a100:2", reservation_id=small.reservation_id)
    with pytest.raises(ConfigError, match="reservation_id"):
        await machine.submit("true", reservation_id=small.reservation_id)
    await machine.provider.reservations.release(small.reservation_id)
    with pytest.raises(Conflict, match="canceled"):
        await machine.submit("true", instance_type="a100", reservation_id=small.reservation_id)
    assert await machine.provider.list_tasks() == ()


async def test_what_can_start_at_once_is_what_is_neither_held_nor_reserved(machine):
    await reserve(machine, "a100")
    offers = {one.instance_type: one for one in await machine.provider.instances.find({"min_gpu_count": 1})}
    assert {name: one.available_quantity for name, one in offers.items()} == {"1xa100": 1, "2xa100": 0}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"instance_type": 3},
        {"instance_type": "cpu"},
        {"instance_type": "a100", "quantity": 0},
        {"instance_type": "a100", "earliest_start_time": "soon"},
        {"instance_type": "a100", "latest_end_time": 5},
        {"instance_type": "a100", "colour": "red"},
    ],
)
async def test_a_question_about_availability_that_makes_no_sense_is_refused(machine, params):
    with pytest.raises(ConfigError):
        await machine.provider.reservations.availability(params)


async def test_availability_elsewhere_or_of_what_is_not_here_is_none(machine):
    ask = machine.provider.reservations.availability
    assert await ask({"instance_type": "a100", "region": "elsewhere"}) == ()
    assert await ask({"instance_type": "h100"}) == ()
    assert await ask({"instance_type": "a100", "latest_end_time": "2020-01-01"}) == ()
    assert len(await ask({"instance_type": "a100", "latest_end_time": datetime.max})) == 1


async def test_reservations_are_listed_newest_first_by_status_type_and_region(machine):
    first, second = await reserve(machine, "a100", name="first"), await reserve(machine, "a100")
    await machine.provider.reservations.release(first.reservation_id)
    listed = machine.provider.reservations.list
    assert [one.reservation_id for one in await listed({})] == [second.reservation_id, first.reservation_id]
    assert [one.name for one in await listed({"status": "canceled", "instance_type": "a100"})] == ["first"]
    assert await listed({"region": "elsewhere"}) == ()
    with pytest.raises(ConfigError, match="colour"):
        await listed({"colour": "red"})
    with pytest.raises(NotFound):
        await machine.provider.reservations.get("res_aaaaaaaaaa")
    with pytest.raises(NotFound):
        await machine.provider.reservations.release("../x")
