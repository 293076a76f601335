"""An API that fails, breaks off or answers nonsense: what the user sees, and what is not lost."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from testbed.mithril_account import CloudLab
from testbed.waiting import DEADLINE_S, until

from flow_core.audit import Gate
from flow_core.config import Context
from flow_core.errors import AuthError, FlowError, ProviderError, Unreachable
from flow_core.fleet import Fleet
from flow_core.models.task import TaskRecord
from flow_core.providers.mithril.api_response import OutcomeUnknown

BIDS = "/v2/spot/bids"


async def test_a_wrong_key_is_one_sentence_and_the_other_contexts_keep_working(lab: CloudLab) -> None:
    wrong = Context("cloud", "mithril", {**lab.context.settings, "api_key": "fkey_wrong"})
    here = Context("here", "local", {"gpus": "a100:2"})
    async with Fleet([wrong, here], Gate()) as fleet, asyncio.timeout(DEADLINE_S):
        await fleet.wait_for_first_answers(30)
        cloud, local = fleet.states
        assert cloud.error is not None
        assert (
            "the Mithril API does not accept your API key (MITHRIL_API_KEY or `api_key`); create a new one"
            in cloud.error
        )
        assert "fkey_wrong" not in cloud.error
        assert (local.error, local.age_s is None) == (None, False)


async def test_the_last_answer_stays_while_the_api_fails(lab: CloudLab) -> None:
    task = await lab.submit()
    async with Fleet([lab.context], Gate()) as fleet, asyncio.timeout(DEADLINE_S):
        await fleet.wait_for_first_answers(30)
        lab.add_fault("*", "/v2/*", status=503, times=None)
        fleet.refresh()
        await until(lambda: fleet.states[0].error is not None)
        assert [one.task_id for one in fleet.tasks] == [task.task_id]
        assert fleet.states[0].age_s is not None


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ({"status": 401}, AuthError, "does not accept your API key"),
        ({"status": 403, "detail": "no"}, AuthError, "does not allow"),
        ({"status": 500}, Unreachable, "try again later"),
        ({"status": 504}, Unreachable, "try again later"),
        ({"status": 429}, Unreachable, "asks for fewer calls"),
        ({"cut": "all"}, Unreachable, "broke off"),
        ({"cut": "within"}, Unreachable, "broke off"),
        ({"body": "<html>"}, ProviderError, "what is not JSON"),
        ({"body": "[" * 100_000}, ProviderError, "what is not JSON"),
        ({"body": "[1, 2]"}, ProviderError, "something else than a list of bids"),
        ({"body": '{"data": null}'}, ProviderError, "something else than a list of bids"),
        ({"body": '{"data": [], "next_cursor": "round"}'}, ProviderError, "in a circle"),
        ({"body": "", "status": 200}, ProviderError, "something else than a list of bids"),
    ],
    ids=str,
)
async def test_a_list_that_fails_gives_the_reason(
    lab: CloudLab, fault: dict[str, Any], error: type[FlowError], message: str
) -> None:
    await lab.submit()
    lab.add_fault("GET", BIDS, times=None, **fault)
    with pytest.raises(error, match=message) as failed:
        await lab.flow.list_tasks()
    assert lab.cloud.api_key not in str(failed.value)
    lab.cloud.faults.clear()
    assert len(await lab.flow.list_tasks()) == 1


async def test_an_unreadable_row_is_one_warning_and_the_other_rows_are_listed(
    lab: CloudLab, caplog: pytest.LogCaptureFixture
) -> None:
    task = await lab.submit()
    good = lab.bids[0].as_json()
    odd = {**good, "fid": "bid_odd", "status": "Hibernating", "limit_price": 7, "new": {}, "region": None}
    broken = [{}, {"fid": 3}, {**good, "fid": None}]
    lab.add_fault("GET", BIDS, body=json.dumps({"data": [good, odd, *broken], "next_cursor": None}))
    with caplog.at_level(logging.WARNING):
        found = {one.task_id: one.record for one in await lab.flow.list_tasks()}
    assert set(found) == {task.task_id, "bid_odd"}
    assert (found["bid_odd"].status, found["bid_odd"].provider_metadata["limit_price"]) == ("pending", "$7.00")
    (warning,) = [record.getMessage() for record in caplog.records if "bids listed" in record.getMessage()]
    assert warning.startswith("3 of the bids listed can't be read")


@pytest.mark.parametrize("skew_s", [-86400.0, -30.0, 30.0, 86400.0])
async def test_a_clock_that_is_wrong_spoils_nothing(lab: CloudLab, skew_s: float) -> None:
    lab.cloud.control.skew(skew_s)
    task = await lab.running()
    (listed,) = await lab.flow.list_tasks()
    assert listed.task_id == task.task_id
    assert task.record.cost_usd is not None
    assert task.record.cost_usd >= 0
    assert await lab.flow.task_history(task.task_id)
    await task.cancel()
    assert (await task.refresh()).status == "cancelled"


async def test_tasks_are_listed_without_prices_if_the_api_fails_to_give_them(lab: CloudLab) -> None:
    await lab.running()
    again = CloudLab(lab.cloud)
    lab.add_fault("GET", "/v2/spot/availability", status=500, times=None)
    lab.add_fault("GET", "/v2/me*", status=404, times=None)
    (task,) = await again.flow.list_tasks()
    assert (task.record.price_usd_per_hour, task.record.owner) == (None, lab.cloud.world.me.fid)
    await again.flow.close()


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": "all"}], ids=str)
async def test_a_change_is_never_sent_again(lab: CloudLab, fault: dict[str, Any]) -> None:
    task = await lab.submit()
    lab.add_fault("PATCH", "*", **fault)
    with pytest.raises((OutcomeUnknown, Unreachable)):
        await lab.flow.set_limit_price(task.task_id, 99)
    assert lab.count("PATCH") == 1
    assert lab.bids[0].limit_cents != 99_00


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": "all"}], ids=str)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancel_is_sent_until_it_is_answered(lab: CloudLab, fault: dict[str, Any], when: str) -> None:
    task = await lab.running()
    lab.add_fault("DELETE", f"{BIDS}/*", when=when, times=2, **fault)
    await task.cancel()
    assert (await task.refresh()).status == "cancelled"


ATTACH_FAULTS: list[tuple[int, dict[str, Any]]] = [
    (0, {"status": 500}),
    (0, {"status": 500, "when": "after"}),
    (0, {"cut": "all", "when": "after"}),
    (1, {"status": 500}),
    (1, {"status": 409, "detail": "in use"}),
    (1, {"cut": "all", "when": "after"}),
    (2, {"status": 500, "times": 2}),
    (2, {"cut": "all", "when": "after"}),
]


@pytest.mark.parametrize(("step", "fault"), ATTACH_FAULTS, ids=str)
async def test_a_task_resumes_whatever_fails_while_a_volume_is_attached(
    lab: CloudLab, step: int, fault: dict[str, Any]
) -> None:
    task = await lab.running()
    await lab.flow.create_volume(1, "late")
    lab.add_fault("PATCH", f"{BIDS}/*", after=step, **fault)
    if step == 2:
        await lab.flow.attach_volume("late", task.task_id)
    else:
        with pytest.raises(FlowError):
            await lab.flow.attach_volume("late", task.task_id)
    await lab.until(task, lambda one: one.record.billed_usd_per_hour is not None)
    assert lab.bids[0].status == "Allocated"
    was_done = step == 2 or (step == 1 and fault.get("when") == "after")
    assert bool(lab.bids[0].launch.volumes) is was_done


async def test_a_cancelled_attach_resumes_the_task(lab: CloudLab) -> None:
    task = await lab.running()
    await lab.flow.create_volume(1, "late")
    lab.add_fault("PATCH", f"{BIDS}/*", after=1, delay_s=30)
    attaching = asyncio.create_task(lab.flow.attach_volume("late", task.task_id))
    await until(lambda: lab.count("PATCH") == 2)
    attaching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attaching
    await lab.until(task, lambda one: one.record.billed_usd_per_hour is not None)


async def test_a_paused_task_stays_paused_when_a_volume_is_attached(lab: CloudLab) -> None:
    task = await lab.running()
    await lab.flow.create_volume(1, "late")
    await lab.flow.pause_task(task.task_id)
    await lab.flow.attach_volume("late", task.task_id)
    assert (await task.refresh()).status == "paused"
    assert [one.name for one in task.record.volumes] == ["late"]


async def test_a_reservation_whose_response_is_lost_is_found_and_not_paid_twice(lab: CloudLab) -> None:
    lab.cloud.control.change_settings(honours_idempotency_key=False)
    lab.add_fault("POST", "/v2/reservation", when="after", cut="all")
    held = await lab.flow.reserve("8xh100", 3, name="again")
    assert list(lab.cloud.world.reservations) == [held.reservation_id]
    lab.add_fault("POST", "/v2/reservation", when="after", status=500)
    second = await lab.flow.reserve("8xh100", 3, name="again")
    assert second.reservation_id != held.reservation_id
    assert lab.count("POST", "/v2/reservation") == 2


async def test_no_error_or_record_contains_the_key(lab: CloudLab, caplog: pytest.LogCaptureFixture) -> None:
    key = lab.cloud.api_key
    shown = [repr(lab.context), repr(lab.flow.provider), str(vars(lab.flow.provider))]
    with caplog.at_level(logging.INFO):
        for fault in ({"status": 403, "detail": f"bad {key}"}, {"status": 500, "headers": {"x-request-id": key}}):
            lab.add_fault("GET", "/v2/*", times=3, **fault)
            with pytest.raises(FlowError) as failed:
                await lab.flow.list_tasks()
            shown.append(f"{failed.value!r} {failed.value.__cause__!r}")
            lab.cloud.faults.clear()
        task = await lab.submit(env={"TOKEN": "hunter2"})
        shown += [repr(task.record), lab.flow.provider.describe_cancel(task.record)]
    assert key not in caplog.text + "".join(shown)
    assert "hunter2" not in caplog.text + "".join(shown[3:])


async def test_control_characters_in_the_name_of_a_task_are_kept_as_data(lab: CloudLab) -> None:
    task = await lab.submit()
    lab.bids[0].name = "\x1b[31m[bold]\nx"
    record: TaskRecord = (await task.refresh()).record
    assert record.name == "\x1b[31m[bold]\nx"


async def test_the_cost_of_a_task_counts_every_machine_at_its_price(lab: CloudLab) -> None:
    task = await lab.running(num_instances=2)
    price = task.record.price_usd_per_hour
    assert price is not None
    assert task.record.billed_usd_per_hour == 2 * price
    await lab.cloud.control.advance(1800)
    await task.cancel()
    cost = (await task.refresh()).record.cost_usd
    assert cost is not None
    assert abs(cost - price) < Decimal("0.5")
    assert (await task.refresh()).record.cost_usd == cost
    assert (await lab.flow.list_tasks())[0].record.cost_usd is None


async def test_an_answer_that_comes_slowly_is_read_to_its_end(lab: CloudLab) -> None:
    lab.add_fault("GET", "/v2/projects", drip_s=0.002)
    assert await lab.flow.list_tasks() == []
    assert len(await lab.flow.list_projects()) == 2
