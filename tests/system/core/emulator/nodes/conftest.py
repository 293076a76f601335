"""Fleets of machines that end with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.node_lab import MachineLab


@pytest.fixture
async def lab(tmp_path: Path, programs: Path) -> AsyncIterator[MachineLab]:
    lab = MachineLab(tmp_path, programs)
    yield lab
    await lab.machines.close()
    assert not (tmp_path / "nodes").exists()


@pytest.fixture
async def shared(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MachineLab]:
    """A lab on a system without namespaces."""
    monkeypatch.setenv("FLOW_EMULATOR_NO_NAMESPACE", "1")
    lab = MachineLab(tmp_path, programs)
    yield lab
    await lab.machines.close()
