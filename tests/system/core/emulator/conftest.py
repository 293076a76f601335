"""An emulator whose clock is driven by hand, and a client that holds every answer against the description."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from testbed.api_description import Description, published
from testbed.emulator_account import PUBLIC_KEY, Account

from flow_core.emulator.emulator import Emulator


@pytest.fixture(scope="session")
def description() -> Description | None:
    """None where the environment doesn't say where it lies."""
    return published()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(is_live=False) as one:
        yield one


@pytest.fixture
async def http(emulator: Emulator, description: Description | None) -> AsyncIterator[httpx.AsyncClient]:
    complaints: list[str] = []

    async def check(answer: httpx.Response) -> None:
        await answer.aread()
        path = answer.request.url.path
        is_made_up = path.startswith("/_emulator/") or answer.headers.get("x-injected")
        if description is not None and not is_made_up:
            complaints.extend(description.complaints(answer.request.method, path, answer.status_code, answer.content))

    headers = {"Authorization": f"Bearer {emulator.api_key}"}
    async with httpx.AsyncClient(base_url=emulator.url, headers=headers, event_hooks={"response": [check]}) as client:
        yield client
    assert complaints == []


@pytest.fixture
async def account(emulator: Emulator, http: httpx.AsyncClient) -> Account:
    one = Account(emulator, http)
    key = await one.post("/v2/ssh-keys", {"project": one.project, "name": "mine", "public_key": PUBLIC_KEY})
    one.key = key["fid"]
    return one
