"""The sample project: the same at each start, with something of everything, and with a past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from testbed.emulator_account import Account, checked_client

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.sample.project import Sample
from flow_core.emulator.settings import Settings

STATUSES = {
    "train-llama-8b": "Allocated",
    "finetune-whisper": "Allocated",
    "distill-student": "Open",
    "sweep-lr-3e-4": "Open",
    "eval-mmlu": "Allocated",
    "train-vit-large": "Paused",
    "pretrain-13b": "Allocated",
    "prepare-shards": "Terminated",
    "tokenize-corpus": "Allocated",
}


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    sample = Sample()
    async with Emulator(Settings(price_move_s=30.0), port=None, is_live=False, age_s=sample.age_s) as emulator:
        await sample.fill(emulator)
        yield emulator


@pytest.fixture
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with checked_client(emulator, has_socket=False) as http:
        yield Account(emulator, http)


async def rows(account: Account, path: str) -> list[dict[str, Any]]:
    found = await account.get(path, project=account.project)
    return list(found["data"] if isinstance(found, dict) else found)


async def test_it_has_tasks_in_every_state_with_a_past_that_ends_now(account: Account) -> None:
    bids = await rows(account, "/v2/spot/bids")
    assert {bid["name"]: bid["status"] for bid in bids} == STATUSES
    now = account.emulator.world.now
    ages = [now - datetime.fromisoformat(bid["created_at"]) for bid in bids]
    assert ages == sorted(ages)
    assert timedelta(minutes=40) < ages[0] < ages[-1] < timedelta(hours=5)
    assert abs(now - datetime.now().astimezone()) < timedelta(minutes=5)
    assert [row["status"] for row in await rows(account, "/v2/instances")].count("STATUS_RUNNING") == 6
    assert {row["interface"] for row in await rows(account, "/v2/volumes")} == {"Block", "File"}
    assert [row["status"] for row in await rows(account, "/v2/reservation")] == ["Pending"]


async def test_one_task_is_outbid_now_and_then_and_comes_back(account: Account) -> None:
    seen = []
    for _ in range(80):
        await account.emulator.control.advance(5)
        [bid] = [one for one in await rows(account, "/v2/spot/bids") if one["name"] == "finetune-whisper"]
        if seen[-1:] != [bid["status"]]:
            seen.append(bid["status"])
    assert seen[:4] == ["Allocated", "Preempting", "Open", "Allocated"]
