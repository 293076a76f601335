"""Each provider in turn, in its own world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testbed.api_description import check_requests
from testbed.worlds import WORLDS, Bench

_NEEDS = {
    "hosts": ("sshd",),
    "mithril": ("user-namespaces",),
    "slurm": ("sshd", "slurm", "slurm-accounting"),
    "slurm-plain": ("sshd", "slurm"),
    "slurm-local": ("slurm",),
}


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.needs(*_NEEDS[name]) if name in _NEEDS else ()) for name in WORLDS]
)
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MITHRIL_API_KEY", raising=False)
    world = WORLDS[request.param](tmp_path)
    monkeypatch.chdir(world.folder)
    for mark in request.node.iter_markers("facets"):
        if missing := set(mark.args) - world.facets:
            await world.close()
            pytest.skip(f"the provider has no {' and no '.join(sorted(missing))}")
    opened = Bench(world)
    with check_requests():
        yield opened
    await opened.provider.close()
    await world.close()
