"""Lists that are read again: what is the same isn't requested, parsed or built again, and nothing new is missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.bid_pages import BIDS, BidPages
from testbed.in_process_api import answered_by
from testbed.properties import limit_examples

from flow_core import AsyncFlow
from flow_core.config import Context
from flow_core.models.task import TaskRecord
from flow_core.providers.mithril import known_bids

SETTINGS = {"api_url": "http://127.0.0.1:1", "api_key": "fkey_x", "project": "proj_1"}
LONG = 450  # bids: five pages


@asynccontextmanager
async def listing(api: BidPages) -> AsyncIterator[AsyncFlow]:
    async with answered_by(api), AsyncFlow(Context("cloud", "mithril", SETTINGS)) as flow:
        yield flow


async def records(flow: AsyncFlow, api: BidPages) -> list[TaskRecord]:
    """All tasks. Only the requests of this list are in `api.requests` afterwards."""
    api.requests.clear()
    return [task.record for task in await flow.list_tasks(limit=10_000)]


def bid_statuses(found: list[TaskRecord]) -> dict[str, str]:
    return {record.task_id: record.bid.status if record.bid else "" for record in found}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each body that was parsed."""
    sizes: list[int] = []
    loads: Callable[..., Any] = json.loads

    def count(text: bytes, **options: Any) -> Any:
        sizes.append(len(text))
        return loads(text, **options)

    monkeypatch.setattr(json, "loads", count)
    return sizes


async def test_an_unchanged_list_is_not_parsed_and_has_the_same_records(home: Path, parsed: list[int]) -> None:
    api = BidPages([False] * 150 + [True] * 100)
    async with listing(api) as flow:
        before = await records(flow, api)
        parsed.clear()
        after = await records(flow, api)
    assert api.count(BIDS) == 3
    assert parsed == []
    assert len(after) == 250
    assert all(one is other for one, other in zip(before, after, strict=True))


async def test_a_page_that_changed_gives_new_records_only_for_what_changed(home: Path, parsed: list[int]) -> None:
    api = BidPages([True] * 120)
    async with listing(api) as flow:
        before = await records(flow, api)
        api.rows[3] |= {"name": "renamed"}
        parsed.clear()
        after = await records(flow, api)
    assert len(parsed) == 1
    assert [one is other for one, other in zip(before, after, strict=True)].index(False) == 3
    assert sum(one is not other for one, other in zip(before, after, strict=True)) == 1
    assert after[3].name == "renamed"


async def test_of_a_long_list_only_the_newest_page_is_read_again(home: Path) -> None:
    api = BidPages([False] * (LONG - 20) + [True] * 20)
    async with listing(api) as flow:
        before = await records(flow, api)
        assert (api.count(BIDS), len(before)) == (5, LONG)
        after = await records(flow, api)
        assert api.count(BIDS) == 1
        assert all(one is other for one, other in zip(before, after, strict=True))
        api.add()
        assert bid_statuses(await records(flow, api)) == api.statuses
        assert api.count(BIDS) == 1


async def test_an_old_task_that_runs_is_read_by_its_id_and_its_end_is_seen(home: Path) -> None:
    api = BidPages([False] * 50 + [True] + [False] * (LONG - 51))
    old = api.rows[-51]
    async with listing(api) as flow:
        await records(flow, api)
        assert bid_statuses(await records(flow, api))[old["fid"]] == "Allocated"
        assert (api.count(BIDS), api.count(f"{BIDS}/{old['fid']}")) == (1, 1)
        old["status"] = "Terminated"
        assert bid_statuses(await records(flow, api)) == api.statuses
        await records(flow, api)
        assert api.count(f"{BIDS}/{old['fid']}") == 0


async def test_many_new_tasks_at_once_are_all_listed(home: Path) -> None:
    api = BidPages([False] * LONG)
    async with listing(api) as flow:
        await records(flow, api)
        for _ in range(230):
            api.add()
        assert bid_statuses(await records(flow, api)) == api.statuses
        assert api.count(BIDS) == 3


async def test_a_list_in_another_order_is_always_read_completely(home: Path) -> None:
    api = BidPages([False] * LONG)
    api.rows.reverse()
    async with listing(api) as flow:
        for _ in range(2):
            assert len(await records(flow, api)) == LONG
            assert api.count(BIDS) == 5


async def test_ended_tasks_that_are_listed_separately_are_read_once(home: Path) -> None:
    api = BidPages([False] * LONG + [True] * 3)
    api.lists_ended = False
    async with listing(api) as flow:
        await records(flow, api)
        assert api.count(BIDS) == 6
        api.rows[0]["status"] = "Terminated"
        assert bid_statuses(await records(flow, api)) == api.statuses
        assert api.count(BIDS) == 2


async def test_a_row_that_could_not_be_read_stays_reported(home: Path) -> None:
    api = BidPages([False] * LONG)
    api.rows[400]["instance_quantity"] = "many"
    async with listing(api) as flow:
        provider = flow.provider_port()
        notes = [getattr(await provider.list_tasks(), "unreadable", ()) for _ in range(2)]
    assert notes[0] == notes[1]
    assert "1 of the bids" in notes[0][0]


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "end", "rename", "remove"]), st.integers(0, LONG - 1)), min_size=1, max_size=6
)


@given(alive=st.sets(st.integers(0, LONG - 1), max_size=5), polls=st.lists(CHANGES, min_size=1, max_size=4))
@limit_examples(12)
def test_a_polled_list_equals_the_list_of_the_api(
    alive: set[int], polls: list[list[tuple[str, int]]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = BidPages([number in alive for number in range(LONG)])

    async def check() -> None:
        async with listing(api) as flow:
            await records(flow, api)
            for changes in polls:
                for kind, index in changes:
                    change(api, kind, index)
                found = await records(flow, api)
                assert bid_statuses(found) == api.statuses
                assert [record.name for record in found] == [row["name"] for row in api.rows]
            api.rows.pop()  # an ended bid that the API forgets is gone from the next complete list
            with monkeypatch.context() as patch:
                patch.setattr(known_bids, "_COMPLETE_EVERY_S", 0.0)
                assert bid_statuses(await records(flow, api)) == api.statuses

    asyncio.run(check())


def change(api: BidPages, kind: str, index: int) -> None:
    """Adds a bid, or changes one that has not ended; an ended bid stays as it is."""
    alive = [row for row in api.rows if row["status"] == "Allocated"]
    if kind == "add" or not alive:
        api.add(is_alive=bool(index % 2))
        return
    row = alive[index % len(alive)]
    if kind == "end":
        row["status"] = "Terminated"
    elif kind == "rename":
        row["name"] += "x"
    else:
        api.rows.remove(row)
