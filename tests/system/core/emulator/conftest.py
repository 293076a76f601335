"""An emulator with a stopped clock, and a client that checks every answer against the description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from testbed.emulator_account import Account, account_with_key, checked_client

from flow_core.emulator.emulator import Emulator


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a thousand links that the first machine makes; every fleet uses it."""
    return tmp_path_factory.mktemp("machines") / "programs"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(is_live=False) as one:
        yield one


@pytest.fixture
async def http(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with checked_client(emulator, has_socket=True) as client:
        yield client


@pytest.fixture
async def account(emulator: Emulator, http: httpx.AsyncClient) -> Account:
    return await account_with_key(emulator, http)
