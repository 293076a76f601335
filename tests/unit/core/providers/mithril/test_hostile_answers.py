"""Hostile answers: a bad row hides only itself, and no file is written outside the state folder."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from testbed.cloud import NO_TLS
from testbed.mithril_account import CloudLab
from testbed.waiting import DEADLINE_S

from flow_core.errors import ConfigError, FlowError, NotFound, ProviderError
from flow_core.providers.contract.listing import find_unreadable

BIDS = "/v2/spot/bids"
NO_IDS: list[Any] = [
    *("../../../../../X", "..", "", ".", "a/b", "bid_../x", "bid_a/b", "bid_a\nb", "bid_*", "-bid", "bid_é"),
    *("bid_" + "x" * 5_000, "\ud800", None, 7, ["bid_x"], {"fid": "bid_x"}),
]


def answer(lab: CloudLab, path: str, rows: list[Any]) -> None:
    """What the API says at a path from now on."""
    lab.cloud.faults.clear()
    body = {"data": rows, "next_cursor": None}
    lab.add_fault("GET", path, body=json.dumps(body), times=None)


async def volume_rows(lab: CloudLab) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {lab.cloud.api_key}"}
    async with httpx.AsyncClient(base_url=lab.cloud.url, headers=headers, verify=NO_TLS) as client:
        found: list[dict[str, Any]] = (await client.get(f"/v2/volumes?project={lab.cloud.project}")).json()
        return found


def names_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


async def test_a_bid_with_an_invalid_id_is_left_out_and_reported(lab: CloudLab, home: Path) -> None:
    task = await lab.submit()
    good, before = lab.bids[0].as_json(), names_below(home)
    for no_id in NO_IDS:
        answer(lab, BIDS, [{**good, "fid": no_id}, good])
        listed = await lab.flow.provider.list_tasks()
        assert [one.task_id for one in listed] == [task.task_id], no_id
        assert "of the bids listed can't be read" in find_unreadable(listed)[0]
    assert names_below(home) == before


async def test_an_id_with_a_path_out_of_the_state_folder_is_neither_read_nor_written(lab: CloudLab, home: Path) -> None:
    await lab.submit()
    good = lab.bids[0].as_json()
    outside = Path(os.environ["FLOW_STATE_DIR"]).parent / "X.json"
    outside.write_text('{"version":1,"attempt":0,"exit_code":0,"config":{},"mounts":[]}')
    answer(lab, BIDS, [{**good, "fid": "../../../X"}])
    with pytest.raises(ProviderError, match=r"nothing that can be read.*X', which can't be one"):
        await lab.flow.list_tasks()
    lab.cloud.faults.clear()
    lab.add_fault("POST", BIDS, body=json.dumps({**good, "fid": "../../../Y"}), when="after")
    await lab.submit(name="other")
    assert sorted(path.name for path in outside.parent.glob("*.json")) == ["X.json"]


@pytest.mark.parametrize("name", ["*", "@cert-authority *", "a,b,inst_known", "inst_a\n* ssh-ed25519 AAAA", "|1|x", ""])
async def test_a_machine_with_an_invalid_id_is_left_out_and_reported(lab: CloudLab, name: str) -> None:
    task = await lab.running()
    row = next(iter(lab.cloud.world.instances.values())).as_json()
    answer(lab, "/v2/instances", [{**row, "fid": name}])
    listed = await lab.flow.provider.list_tasks()
    assert [one.instances for one in listed] == [task.record.instances]
    assert "1 of the instances listed can't be read" in find_unreadable(listed)[0]
    with pytest.raises(FlowError):
        await asyncio.wait_for(lab.flow.get_remote_operations().run(task.task_id, "true", timeout_s=5), DEADLINE_S)
    assert not list(Path(os.environ["FLOW_STATE_DIR"]).rglob("known_hosts"))


@pytest.mark.parametrize(
    "when", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
)
async def test_a_date_at_the_end_of_the_calendar_is_unknown_and_costs_no_other_task(lab: CloudLab, when: str) -> None:
    first, second = await lab.submit(), await lab.submit()
    rows = [bid.as_json() for bid in lab.bids]
    answer(lab, BIDS, [{**rows[0], "created_at": when, "deactivated_at": when}, rows[1]])
    listed = {one.task_id: one.record for one in await lab.flow.list_tasks()}
    assert set(listed) == {first.task_id, second.task_id}
    assert listed[first.task_id].created_at is None
    assert listed[second.task_id].created_at is not None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (BIDS, '{"data":[{"fid":null,"status":"Open"}]}'),
        (BIDS, "[]"),
        (BIDS, "NaN"),
        (BIDS, '{"data":[{}, [], null, 7]}'),
        ("/v2/projects", '[{"fid":null}]'),
    ],
)
async def test_a_list_of_unreadable_tasks_is_an_error_and_not_an_empty_list(
    lab: CloudLab, path: str, body: str
) -> None:
    await lab.submit()
    again = CloudLab(lab.cloud)
    lab.add_fault("GET", path, body=body, times=None)
    with pytest.raises(FlowError):
        await again.flow.list_tasks()
    await again.flow.close()


@pytest.mark.parametrize(
    ("path", "listing"),
    [
        ("/v2/volumes", lambda lab: lab.flow.list_volumes()),
        ("/v2/spot/availability", lambda lab: lab.flow.find_instances({})),
        ("/v2/reservation", lambda lab: lab.flow.list_reservations()),
        ("/v2/ssh-keys", lambda lab: lab.flow.list_platform_ssh_keys()),
        ("/v2/quotas", lambda lab: lab.flow.quotas()),
    ],
)
async def test_a_listing_without_a_readable_row_is_an_error(lab: CloudLab, path: str, listing: Any) -> None:
    answer(lab, path, [{"fid": None, "name": None}])
    with pytest.raises(ProviderError, match="nothing that can be read"):
        await listing(lab)


async def test_the_last_known_price_is_shown_with_a_note_if_the_current_one_is_unreadable(lab: CloudLab) -> None:
    task = await lab.running()
    price = task.record.billed_usd_per_hour
    lab.flow.provider._session.catalog._offers_at = -10.0  # type: ignore[attr-defined]
    answer(lab, "/v2/spot/availability", [{"fid": "auc_1", "last_instance_price": float("nan")}])
    listed = await lab.flow.provider.list_tasks()
    assert [one.billed_usd_per_hour for one in listed] == [price]
    assert "what machines cost now is not known" in find_unreadable(listed)[0]


async def test_a_machine_whose_row_becomes_unreadable_is_still_shown_with_its_cost(lab: CloudLab) -> None:
    task = await lab.running()
    row = next(iter(lab.cloud.world.instances.values())).as_json()
    answer(lab, "/v2/instances", [{**row, "status": None}])
    (listed,) = await lab.flow.provider.list_tasks()
    assert (listed.instances, listed.billed_usd_per_hour) == (task.record.instances, task.record.billed_usd_per_hour)


async def test_a_volume_whose_id_leads_to_another_path_is_never_deleted(lab: CloudLab) -> None:
    volume = await lab.flow.create_volume(10, "data", region="us-central1-a")
    (row,) = await volume_rows(lab)
    bad = {**row, "fid": "../spot/bids/bid_x", "name": "bad"}
    lab.add_fault("GET", "/v2/volumes", body=json.dumps([bad, row]), times=None)
    with pytest.raises(NotFound):
        await lab.flow.delete_volume("bad")
    assert lab.count("DELETE") == 0
    await lab.flow.delete_volume(volume.volume_id)
    assert lab.count("DELETE", f"/v2/volumes/{volume.volume_id}") == 1


async def test_an_invalid_cursor_ends_the_listing_with_an_error(lab: CloudLab) -> None:
    lab.add_fault("GET", BIDS, body=json.dumps({"data": [], "next_cursor": "\ud800"}), times=None)
    with pytest.raises(ProviderError, match="names no page"):
        await lab.flow.list_tasks()


@pytest.mark.parametrize("quantity", [10**30, -1, 0, float("nan"), "many"], ids=str)
async def test_a_bid_for_an_impossible_number_of_machines_is_left_out(lab: CloudLab, quantity: object) -> None:
    task = await lab.submit()
    good = lab.bids[0].as_json()
    answer(lab, BIDS, [{**good, "fid": "bid_many", "instance_quantity": quantity}, good])
    assert [one.task_id for one in await lab.flow.list_tasks()] == [task.task_id]


async def test_a_cost_is_unknown_if_a_part_of_it_is_unreadable(lab: CloudLab) -> None:
    task = await lab.running()
    again = CloudLab(lab.cloud)
    events = [{"price_cents": 100, "start_time": "2026-01-01T00:00:00Z"}, {"price_cents": None}]
    body = {"instances": [{"instance_fid": "inst_1", "events": events}], "next_cursor": None}
    lab.add_fault("GET", "/v2/instances/pricing/history", body=json.dumps(body), times=None)
    assert (await again.flow.get_task(task.task_id)).record.cost_usd is None
    await again.flow.close()


async def test_a_line_break_in_the_name_of_a_volume_adds_no_volume_to_the_script(lab: CloudLab) -> None:
    await lab.flow.create_volume(10, "data", region="us-central1-a")
    (row,) = await volume_rows(lab)
    bad = {**row, "name": "data /a\nBlock vol_2 x /etc/evil"}
    lab.add_fault("GET", "/v2/volumes", body=json.dumps([bad]), times=None)
    await lab.submit(volumes=[{"volume_id": row["fid"], "mount_path": "/data"}])
    assert "/etc/evil" not in lab.bids[0].launch.startup_script
    with pytest.raises(ConfigError):
        await lab.submit(volumes=[{"volume_id": "../x", "mount_path": "/data\nx"}])
