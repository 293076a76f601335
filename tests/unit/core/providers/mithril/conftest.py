"""Accounts of an emulator without a socket: one that tests fill by hand, and one that allocates bids at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.in_process_api import answered_in_process
from testbed.mithril_account import CloudLab, KnownAccount, known_account, open_lab, public_key

from flow_core.emulator.emulator import Emulator
from flow_core.providers.mithril import catalog, http, idempotent_create, volumes


@pytest.fixture
async def api() -> AsyncIterator[KnownAccount]:
    async with (
        Emulator(is_live=False, port=None) as emulator,
        answered_in_process(emulator),
        known_account(emulator) as account,
    ):
        yield account


@pytest.fixture
async def lab(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CloudLab]:
    """The user has a key in ~/.ssh, so that no task has one made."""
    (home / ".ssh").mkdir()
    (home / ".ssh/id_ed25519.pub").write_text(public_key("lab"))
    monkeypatch.delenv("MITHRIL_API_KEY", raising=False)
    monkeypatch.setattr(catalog, "_OFFERS_KEPT_S", 0.1)
    monkeypatch.setattr(http, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(idempotent_create, "_PAUSE_S", 0.01)
    monkeypatch.setattr(volumes, "_FIRST_PAUSE_S", 0.01)
    async with open_lab() as lab:
        yield lab
