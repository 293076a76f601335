"""The protocol: connections, routes, pages, arrays, keys of idempotency."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import pytest
from testbed.emulator_account import H100, Account
from testbed.waiting import DEADLINE_S

from flow_core.emulator.clock import Timer, WorldClock
from flow_core.emulator.emulator import Emulator
from flow_core.emulator.settings import Settings


async def raw(emulator: Emulator, data: bytes) -> bytes:
    """What comes back for these bytes until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(emulator.url).port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(data)
        answer = await reader.read()
    writer.close()
    return answer


def request(emulator: Emulator, path: str, *more: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {emulator.api_key}", *more, "", "")
    return "\r\n".join(lines).encode()


async def test_one_connection_serves_many_requests_also_when_they_come_at_once(emulator: Emulator) -> None:
    together = request(emulator, "/v2/me") + request(emulator, "/v2/projects", "Connection: close")
    answer = await raw(emulator, together)
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_every_answer_has_a_request_id_of_its_own(account: Account) -> None:
    answers = [await account.http.get(path) for path in ("/v2/me", "/v2/me", "/nowhere", "/v2/spot/bids/none")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4
    assert b"x-request-id" in await raw(account.emulator, b"NONSENSE\r\n\r\n")


async def test_what_is_no_http_is_refused_and_hung_up_on(emulator: Emulator) -> None:
    assert b" 400 " in (await raw(emulator, b"\x16\x03\x01 nonsense\r\n\r\n")).splitlines()[0]


async def test_a_body_that_is_too_long_is_refused(account: Account) -> None:
    answer = await account.http.post("/_emulator/faults", content=b"x" * (2 << 20))
    assert answer.status_code == 413


async def test_many_clients_are_served_at_the_same_time(account: Account) -> None:
    answers = await asyncio.gather(*(account.get("/v2/projects") for _ in range(60)))
    assert len(answers) == 60


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


async def test_more_connections_than_it_takes_are_told_so(emulator: Emulator) -> None:
    port = urlsplit(emulator.url).port
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(256)]
    assert b" 503 " in (await raw(emulator, request(emulator, "/v2/me"))).splitlines()[0]
    for _, writer in idle:
        writer.close()


async def test_leaving_does_not_wait_for_clients(emulator: Emulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(emulator.url).port)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(request(emulator, "/v2/me"))
        assert b" 200 " in await reader.readline()
        writer.write(b"GET /v2/me HTTP/1.1\r\n")
        await emulator.__aexit__(None, None, None)
        with suppress(ConnectionResetError):
            await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("body", "kind"), [(b"", "missing"), (b"{", "json_invalid"), (b"[]", "model"), (b'{"a":"\xff"}', "json_invalid")]
)
async def test_a_body_that_is_no_object_is_invalid(account: Account, body: bytes, kind: str) -> None:
    headers = {"Content-Type": "application/json"}
    detail = await account.refused(422, "POST", "/v2/spot/bids", content=body, headers=headers)
    assert detail[0]["loc"][0] == "body"
    assert detail[0]["type"].startswith(kind)


async def test_pages_follow_each_other_to_the_last_row_whatever_comes_meanwhile(account: Account) -> None:
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
async def test_a_query_that_can_not_be_is_invalid(account: Account, query: dict[str, str]) -> None:
    [detail] = await account.refused(422, "GET", "/v2/spot/bids", params=query)
    assert detail["loc"] == ["query", *query]


@pytest.mark.parametrize("form", ["{0},{1}", "{0}&bid_fid_in={1}", "{0},&bid_fid_in={1},{1}"])
async def test_arrays_may_be_joined_by_commas_or_repeated(account: Account, form: str) -> None:
    bids = [await account.running(name) for name in ("one", "two", "three")]
    query = f"project={account.project}&status_in=STATUS_RUNNING,STATUS_PAUSED&bid_fid_in={form.format(*bids)}"
    rows = (await account.get(f"/v2/instances?{query}"))["data"]
    assert {one["bid"] for one in rows} == set(bids[:2])


async def test_the_same_key_of_idempotency_makes_one_bid_only(account: Account) -> None:
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
    async with Emulator(is_live=False) as other:
        assert other.project == emulator.project
        await emulator.control.move_prices()
        await other.control.move_prices()
        prices = [[one.price_cents for one in each.world.auctions.values()] for each in (emulator, other)]
    assert prices[0] == prices[1]
    assert H100 in {kind for kind, _ in other.world.auctions}


async def test_it_listens_on_loopback_only(emulator: Emulator) -> None:
    assert urlsplit(emulator.url).hostname == "127.0.0.1"


async def test_nothing_answers_once_it_is_closed() -> None:
    async with httpx.AsyncClient() as client:
        async with Emulator() as one:
            assert (await client.get(one.url)).status_code == 404
        with pytest.raises(httpx.TransportError):
            await client.get(one.url)


async def test_a_mistake_of_ours_cuts_the_client_off_and_is_raised_at_the_end() -> None:
    async def ask() -> None:
        async with Emulator(is_live=False) as one, httpx.AsyncClient() as client:
            one.world.me = None  # type: ignore[assignment]
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{one.url}/v2/me", headers={"Authorization": f"Bearer {one.api_key}"})

    with pytest.raises(AttributeError):
        await ask()


async def test_what_is_due_is_done_in_order_and_not_twice() -> None:
    clock, done = WorldClock(is_live=False), []

    def later(delay_s: float, word: str) -> Timer:
        async def act() -> None:
            done.append((word, clock.elapsed_s))

        return clock.after(delay_s, act)

    later(2, "second")
    later(1, "first")
    later(2, "third")
    later(3, "never").cancel()
    await clock.advance(1.5)
    assert done == [("first", 1)]
    later(0, "at once")
    await clock.advance(10)
    assert done == [("first", 1), ("at once", 1.5), ("second", 2), ("third", 2)]
    assert clock.elapsed_s == 11.5


async def test_a_live_clock_may_be_advanced_too() -> None:
    async with Emulator(Settings(seconds_to_allocate=3600)) as one:
        done = asyncio.Event()

        async def act() -> None:
            done.set()

        one.world.clock.after(3600, act)
        await one.control.advance(3600)
        assert done.is_set()
