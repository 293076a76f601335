"""Accounts of the emulator: one that tests fill by hand, and one whose bids are allocated at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import chain

import pytest
from testbed.api_description import published, requests_held_against_it
from testbed.mithril_account import KEY, UNKNOWN, KnownAccount, Lab

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.settings import Settings
from flow_core.providers.mithril.http import MithrilHttp
from flow_core.providers.mithril.settings import MithrilSettings


@pytest.fixture
async def api() -> AsyncIterator[KnownAccount]:
    description = published()
    async with Emulator(is_live=False) as emulator:
        yield KnownAccount(emulator)
        calls = [one for one in emulator.calls if one.path != UNKNOWN]
    if description is not None:
        complaints = [description.requested(one.method, one.path, one.query, one.body) for one in calls]
        assert [*chain.from_iterable(complaints)] == []


@pytest.fixture
async def http(api: KnownAccount) -> AsyncIterator[MithrilHttp]:
    client = MithrilHttp(MithrilSettings(KEY, api.url), pause_s=0.01)
    yield client
    await client.close()


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.delenv("MITHRIL_API_KEY", raising=False)
    quick = Settings(seconds_to_allocate=0.02, starting_s=0.02, stopping_s=0.02, preempt_notice_s=0.2)
    async with Emulator(quick) as cloud:
        one = Lab(cloud)
        with requests_held_against_it():
            yield one
        await one.flow.close()
