"""Faults that cut the connection, and whether the request is carried out."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from testbed.emulator_account import Account, injected_fault

BIDS = "/v2/spot/bids"


async def names(account: Account) -> list[str]:
    return [one["name"] for one in (await account.get(BIDS, limit=100))["data"]]


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["lost"])])
@pytest.mark.parametrize("harm", [{"cut": "all"}, {"status": 503}, {"body": "<html>"}])
async def test_a_bid_is_placed_or_not_whatever_the_client_hears(
    account: Account, when: str, left: list[str], harm: dict[str, object]
) -> None:
    account.emulator.faults.add(injected_fault(method="POST", path=BIDS, when=when, **harm))
    try:
        answer = await account.http.post(BIDS, json=account.bid("lost"))
    except httpx.RemoteProtocolError:
        answer = None
    assert (answer is None) == ("cut" in harm)
    assert await names(account) == left


async def test_an_answer_that_breaks_off_is_noticed(account: Account) -> None:
    account.emulator.faults.add(injected_fault(cut="within"))
    with pytest.raises(httpx.RemoteProtocolError):
        await account.http.get(BIDS)
    assert await names(account) == []


async def test_the_connection_that_is_cut_is_that_of_the_request_alone(account: Account) -> None:
    account.emulator.faults.add(injected_fault(path="/v2/me", cut="all", delay_s=0.01))
    calls = (account.http.get("/v2/me"), *(account.http.get("/v2/projects") for _ in range(5)))
    cut, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(cut, httpx.RemoteProtocolError)
    assert [one.status_code for one in others if isinstance(one, httpx.Response)] == [200] * 5


async def test_a_large_request_is_read_before_its_connection_is_cut(account: Account) -> None:
    account.emulator.faults.add(injected_fault(cut="all"))
    with pytest.raises(httpx.RemoteProtocolError):
        await account.http.post(BIDS, content=b"x" * (1 << 20))
