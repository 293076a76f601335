"""Disk work off the event loop: slow work that gets on is waited for, silent work is given up."""

from __future__ import annotations

import threading
import time

import pytest

from flow_core.errors import ProviderError, Unreachable
from flow_core.providers.contract import blocking_io as module
from flow_core.providers.contract.blocking_io import report_progress, run_blocking

LIMIT_S = 0.3


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEADLINE_S", LIMIT_S)


async def test_work_that_reports_progress_may_take_as_long_as_it_takes() -> None:
    def work() -> str:
        ends = time.monotonic() + 3 * LIMIT_S
        while time.monotonic() < ends:
            report_progress()
            time.sleep(LIMIT_S / 30)
        return "done"

    assert await run_blocking(work) == "done"


async def test_work_without_progress_is_given_up() -> None:
    is_over = threading.Event()
    try:
        with pytest.raises(Unreachable, match="did not answer"):
            await run_blocking(is_over.wait, 30)
    finally:
        is_over.set()


async def test_an_error_of_the_disk_is_one_sentence() -> None:
    with pytest.raises(ProviderError, match=r"can't be used: .*\(/nowhere/file\)"):
        await run_blocking(open, "/nowhere/file")
