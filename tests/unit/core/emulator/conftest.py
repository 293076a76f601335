"""An emulator with a stopped clock and without a socket, and a client that checks every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from testbed.emulator_account import Account, account_with_key, checked_client

from flow_core.emulator.emulator import Emulator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(is_live=False, port=None) as one:
        yield one


@pytest.fixture
async def http(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with checked_client(emulator, has_socket=False) as client:
        yield client


@pytest.fixture
async def account(emulator: Emulator, http: httpx.AsyncClient) -> Account:
    return await account_with_key(emulator, http)
