"""Both terminal cores, for tests that hold them to the same behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from testbed.terminal_cores import open_core

from flow_tui.terminal.core import TerminalCore

OpenCore = Callable[[int, int], TerminalCore]


CORES = ["bittty", pytest.param("ghostty", marks=pytest.mark.needs("pyghostty"))]


@pytest.fixture(params=CORES)
def new_core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenCore]:
    monkeypatch.setenv("FLOW_TERMINAL_CORE", request.param)
    opened: list[TerminalCore] = []

    def make(cols: int, rows: int) -> TerminalCore:
        opened.append(open_core(cols, rows))
        assert opened[-1].name == request.param
        return opened[-1]

    yield make
    for core in opened:
        core.close()
