"""The sample project: the same at each start, with something of everything, and with a past."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import httpx
import pytest
from testbed.waiting import DEADLINE_S

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.nodes.machines import Machines
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


class Visitor:
    def __init__(self, emulator: Emulator, said: dict[str, Any], http: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self.said = said
        self._http = http

    async def rows(self, path: str) -> list[dict[str, Any]]:
        found = (await self._http.get(path, params={"project": self.emulator.project})).raise_for_status().json()
        return list(found["data"] if isinstance(found, dict) else found)

    async def read(self, task: str, path: str, wanted: str) -> str:
        """What stands in a file of its first machine, once the wanted text is in it."""
        return await self.run(task, f'cat "$FLOW_NODE_ROOT"/{path}', wanted)

    async def run(self, task: str, command: str, wanted: str) -> str:
        """What the command prints on its first machine, once the wanted text is in it."""
        [row] = [one for one in await self.rows("/v2/instances") if one["name"] == f"{task}-1"]
        port = int(row["ssh_destination"].rpartition(":")[2])
        deadline = time.monotonic() + DEADLINE_S
        async with asyncssh.connect(
            "localhost", port, username="ubuntu", client_keys=[self.said["ssh_key"]], known_hosts=None, config=()
        ) as machine:
            text = ""
            while wanted not in text:
                assert time.monotonic() < deadline, text
                done = await machine.run(command)
                text = str(done.stdout)
        return text


@pytest.fixture(params=[pytest.param("", marks=pytest.mark.needs("user-namespaces")), "1"], ids=["isolated", "not"])
async def visitor(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Visitor]:
    monkeypatch.setenv("FLOW_EMULATOR_NO_NAMESPACE", request.param)
    sample = Sample()
    settings = Settings(price_move_s=30.0)
    async with Emulator(settings, is_live=False, age_s=sample.age_s, nodes=Machines, folder=tmp_path) as emulator:
        said = await sample.fill(emulator)
        headers = {"Authorization": f"Bearer {emulator.api_key}"}
        async with httpx.AsyncClient(base_url=emulator.url, headers=headers) as http:
            yield Visitor(emulator, said, http)


async def test_it_has_tasks_in_every_state_with_a_past_that_ends_now(visitor: Visitor) -> None:
    bids = await visitor.rows("/v2/spot/bids")
    assert {bid["name"]: bid["status"] for bid in bids} == STATUSES
    ages = [visitor.emulator.world.now - datetime.fromisoformat(bid["created_at"]) for bid in bids]
    assert ages == sorted(ages)
    assert timedelta(minutes=40) < ages[0] < ages[-1] < timedelta(hours=5)
    assert abs(visitor.emulator.world.now - datetime.now().astimezone()) < timedelta(minutes=5)
    assert [row["status"] for row in await visitor.rows("/v2/instances")].count("STATUS_RUNNING") == 6
    assert {row["interface"] for row in await visitor.rows("/v2/volumes")} == {"Block", "File"}
    assert [row["status"] for row in await visitor.rows("/v2/reservation")] == ["Pending"]


async def test_its_machines_say_what_such_work_says(visitor: Visitor) -> None:
    await visitor.read("train-llama-8b", "var/log/flow/attempt-0.log", "loss=")
    assert "OutOfMemoryError" in await visitor.read("eval-mmlu", "var/log/flow/attempt-0.log", "Traceback")
    await visitor.read("eval-mmlu", "var/lib/flow/workload-exit", "EXIT_CODE=1")
    await visitor.read("tokenize-corpus", "var/lib/flow/workload-exit", "EXIT_CODE=0")


async def test_its_training_is_on_the_gpus_and_what_has_ended_is_not(visitor: Visitor) -> None:
    query = "nvidia-smi --query-compute-apps=process_name --format=csv,noheader; echo asked"
    await visitor.run("train-llama-8b", query, "python3\n" * 8)
    assert await visitor.run("eval-mmlu", query, "asked") == "asked\n"


async def test_one_task_is_outbid_now_and_then_and_comes_back(visitor: Visitor) -> None:
    seen = []
    for _ in range(80):
        await visitor.emulator.control.advance(5)
        [bid] = [one for one in await visitor.rows("/v2/spot/bids") if one["name"] == "finetune-whisper"]
        if seen[-1:] != [bid["status"]]:
            seen.append(bid["status"])
    assert seen[:4] == ["Allocated", "Preempting", "Open", "Allocated"]
