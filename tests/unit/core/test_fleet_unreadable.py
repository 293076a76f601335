"""Answers that can only be read in part: what is known is kept and marked, and nothing looks like an empty list."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from testbed.obedient import FAR, Obedient, far, state, task
from testbed.waiting import until

from flow_core.audit import Gate
from flow_core.fleet import Fleet
from flow_core.models.volume import Volume
from flow_core.providers.contract.listing import Listing

__all__ = ["far"]


async def test_rows_that_an_answer_lacks_because_it_can_not_be_read_are_kept_with_their_age(
    far: type[Obedient],
) -> None:
    far.answers = (task("t-1"), task("t-2"))
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: len(fleet.tasks) == 2)
        assert state(fleet, "far").row_age_s(task("t-2")) is None
        far.answers = Listing.of([task("t-1")], ["bid t-2: created_at is not a date"])
        await until(lambda: state(fleet, "far").unreadable)
        assert {one.task_id for one in fleet.tasks} == {"t-1", "t-2"}
        assert state(fleet, "far").unreadable == ("bid t-2: created_at is not a date",)
        assert state(fleet, "far").error is None
        assert state(fleet, "far").row_age_s(task("t-1")) is None
        first = state(fleet, "far").row_age_s(task("t-2"))
        assert first is not None
        seen, begun = far.calls, time.monotonic()
        await until(lambda: far.calls > seen + 3)
        later = state(fleet, "far").row_age_s(task("t-2"))
        assert later is not None
        assert later >= first + (time.monotonic() - begun) / 2
        far.answers = (task("t-1"),)
        await until(lambda: len(fleet.tasks) == 1)
        assert (state(fleet, "far").unreadable, state(fleet, "far").kept) == ((), {})


async def test_an_answer_of_which_nothing_can_be_read_is_an_error_and_not_an_empty_list(far: type[Obedient]) -> None:
    far.answers = (task("t-1"),)
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: fleet.tasks)
        far.answers = Listing.of((), ["row 1: no id", "row 2: no id"])
        await until(lambda: state(fleet, "far").error)
        assert state(fleet, "far").error == "no tasks could be read: row 1: no id (and 1 more)"
        assert fleet.tasks == (task("t-1"),)
        assert (state(fleet, "far").row_age_s(task("t-1")) or 0) > 0


async def test_volumes_and_tasks_are_kept_apart(far: type[Obedient]) -> None:
    far.volumes_answer = (Volume("far", "v-1", "data", 1), Volume("far", "v-2", "more", 1))
    far.answers = (task("t-1"), task("t-2"))
    async with Fleet([FAR], Gate()) as fleet:
        fleet.watch({"volumes"})
        await until(lambda: len(fleet.volumes) == 2 and len(fleet.tasks) == 2)
        far.answers = Listing.of([task("t-1")], ["bid t-2: broken"])
        far.volumes_answer = Listing.of([Volume("far", "v-1", "data", 1)], ["volume v-2: broken"])
        await until(lambda: len(state(fleet, "far").unreadable) == 2)
        assert set(state(fleet, "far").unreadable) == {"bid t-2: broken", "volume v-2: broken"}
        far.volumes_answer = (Volume("far", "v-1", "data", 1),)
        await until(lambda: len(fleet.volumes) == 1)
        assert state(fleet, "far").unreadable == ("bid t-2: broken",)
        assert len(fleet.tasks) == 2


async def test_what_a_listener_raises_is_reported_and_ends_neither_the_poller_nor_other_listeners(
    far: type[Obedient],
) -> None:
    reported: list[Any] = []
    heard: list[int] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    far.answers = (task("t-1"),)
    fault = KeyError("header")

    def raise_fault(_: frozenset[str]) -> None:
        raise fault

    async with Fleet([FAR], Gate()) as fleet:
        fleet.subscribe(raise_fault)
        fleet.subscribe(lambda _: heard.append(len(fleet.tasks)))
        await until(lambda: heard == [1])
        far.answers = ()
        await until(lambda: heard == [1, 0])
        assert state(fleet, "far").error is None
    assert reported == [fault, fault]


async def test_a_poller_that_a_fault_has_ended_asks_again(far: type[Obedient], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_core.fleet._BACKOFF_MAX_S", 0.01)
    reported: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    fault = OverflowError("1e999")
    far.answers, far.fails = (task("t-1"),), fault
    async with Fleet([FAR], Gate()) as fleet:
        await until(lambda: state(fleet, "far").failures > 2)
        assert "OverflowError" in (state(fleet, "far").error or "")
        far.fails = None
        await until(lambda: fleet.tasks == (task("t-1"),))
        assert state(fleet, "far").error is None
    assert set(reported) == {fault}
