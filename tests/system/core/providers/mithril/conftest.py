"""An account of the emulator, and a client that calls it over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from testbed.mithril_account import KEY, KnownAccount, known_account

from flow_core.emulator.emulator import Emulator
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.settings import MithrilSettings


@pytest.fixture
async def api() -> AsyncIterator[KnownAccount]:
    async with Emulator(is_live=False) as emulator, known_account(emulator) as account:
        yield account


@pytest.fixture
async def http(api: KnownAccount) -> AsyncIterator[MithrilHttp]:
    client = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01)
    yield client
    await client.close()
