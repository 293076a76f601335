"""Routes, pages, arrays, and idempotency keys."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from testbed.emulator_account import H100, Account

from flow_core.emulator.emulator import Emulator


async def test_unknown_paths_and_methods_are_told_apart(account: Account) -> None:
    assert await account.refused(404, "GET", "/v2/nothing") == "Not Found"
    assert await account.refused(405, "PUT", "/v2/spot/bids") == "Method Not Allowed"
    assert (await account.http.put("/v2/spot/bids")).headers["allow"] == "GET, POST"


async def test_only_the_methods_of_a_path_are_answered_and_only_that_path(account: Account) -> None:
    assert (await account.http.head("/v2/me")).status_code == 405
    assert (await account.http.get("/v2/me/")).status_code == 404
    assert (await account.http.get("/v2/spot%2Fbids")).status_code == 200, "a slash is a slash, however it is written"


async def test_the_time_of_an_answer_is_the_emulators(account: Account) -> None:
    await account.emulator.control.advance(7 * 86400)
    answer = await account.http.get("/v2/me")
    assert parsedate_to_datetime(answer.headers["date"]) == account.emulator.world.now
    assert answer.headers["server"] == "flow-emulator"


@pytest.mark.parametrize(
    ("body", "kind"), [(b"", "missing"), (b"{", "json_invalid"), (b"[]", "model"), (b'{"a":"\xff"}', "json_invalid")]
)
async def test_a_body_that_is_no_object_is_invalid(account: Account, body: bytes, kind: str) -> None:
    headers = {"Content-Type": "application/json"}
    detail = await account.refused(422, "POST", "/v2/spot/bids", content=body, headers=headers)
    assert detail[0]["loc"][0] == "body"
    assert detail[0]["type"].startswith(kind)


async def test_pages_lead_to_the_last_row_although_new_rows_arrive_meanwhile(account: Account) -> None:
    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        query = {"limit": "3"} | ({"next_cursor": cursor} if cursor else {})
        answer = await account.get("/v2/spot/bids", **query)
        return [one["fid"] for one in answer["data"]], answer["next_cursor"]

    placed = []
    for number in range(7):
        placed.append(await account.place(f"bid-{number}"))
        await account.emulator.control.advance(0.01)
    seen, cursor = await page(None)
    await account.place("newer")
    while cursor:
        rows, cursor = await page(cursor)
        seen += rows
    assert seen == placed[::-1]


@pytest.mark.parametrize("word", ["asc", "desc"])
async def test_rows_come_in_the_order_that_is_asked_for(account: Account, word: str) -> None:
    placed = []
    for number in range(3):
        placed.append(await account.place(f"bid-{number}"))
        await account.emulator.control.advance(0.01)
    rows = (await account.get("/v2/spot/bids", sort_by="created_at", sort_dir=word))["data"]
    assert [one["fid"] for one in rows] == (placed if word == "asc" else placed[::-1])


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"next_cursor": "?"}, {"status": "Odd"}]
)
async def test_an_invalid_query_is_refused(account: Account, query: dict[str, str]) -> None:
    [detail] = await account.refused(422, "GET", "/v2/spot/bids", params=query)
    assert detail["loc"] == ["query", *query]


@pytest.mark.parametrize("form", ["{0},{1}", "{0}&bid_fid_in={1}", "{0},&bid_fid_in={1},{1}"])
async def test_arrays_may_be_joined_by_commas_or_repeated(account: Account, form: str) -> None:
    bids = [await account.running(name) for name in ("one", "two", "three")]
    query = f"project={account.project}&status_in=STATUS_RUNNING,STATUS_PAUSED&bid_fid_in={form.format(*bids)}"
    rows = (await account.get(f"/v2/instances?{query}"))["data"]
    assert {one["bid"] for one in rows} == set(bids[:2])


async def test_the_same_idempotency_key_creates_one_bid(account: Account) -> None:
    made = [await account.post("/v2/spot/bids", account.bid(), idempotency_key="k") for _ in range(2)]
    assert made[0]["fid"] == made[1]["fid"]
    assert (await account.post("/v2/spot/bids", account.bid(), idempotency_key="other"))["fid"] != made[0]["fid"]
    assert len((await account.get("/v2/spot/bids"))["data"]) == 2


async def test_a_server_that_ignores_the_key_makes_two(account: Account) -> None:
    account.emulator.control.change_settings(honours_idempotency_key=False)
    made = [await account.post("/v2/spot/bids", account.bid(), idempotency_key="k") for _ in range(2)]
    assert made[0]["fid"] != made[1]["fid"]


async def test_names_of_bids_are_unique_where_the_settings_say_so(account: Account) -> None:
    account.emulator.control.change_settings(bid_names_are_unique=True)
    bid = await account.place("same")
    assert "Name already used" in await account.refused(400, "POST", "/v2/spot/bids", json=account.bid("same"))
    await account.delete(f"/v2/spot/bids/{bid}")
    await account.place("same")


async def test_the_same_seed_makes_the_same_world(emulator: Emulator) -> None:
    async with Emulator(is_live=False, port=None) as other:
        assert other.project == emulator.project
        await emulator.control.move_prices()
        await other.control.move_prices()
        prices = [[one.price_cents for one in each.world.auctions.values()] for each in (emulator, other)]
    assert prices[0] == prices[1]
    assert H100 in {kind for kind, _ in other.world.auctions}
