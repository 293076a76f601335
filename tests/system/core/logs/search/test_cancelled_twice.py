"""A search in many logs that is cancelled while it cleans up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from testbed.sshd import list_children
from testbed.waiting import until

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.log_id import LogId
from flow_core.logs.search.log_hits import LogHits
from flow_core.logs.search.multi_log_search import MultiLogQuery, MultiLogSearch
from flow_core.logs.search.query import SearchQuery


class Store:
    """Logs of this machine."""

    def __init__(self, files: SpoolFiles) -> None:
        self._files = files

    async def open(self, address: LogId) -> SpoolFiles:
        return self._files

    async def find_lines(self, address: LogId, request: object) -> None:
        return None


async def test_a_search_that_is_cancelled_twice_leaves_no_process(tmp_path: Path) -> None:
    files = SpoolFiles.at(tmp_path / "log")
    files.log.write_bytes(b"needle\n" * 20)
    before = set(list_children(os.getpid()))
    results = asyncio.Queue[LogHits]()

    async def logs() -> AsyncGenerator[LogId | LogHits, None]:
        for number in range(8):
            yield LogId("local", f"task-{number}")
        await asyncio.Event().wait()

    async def search() -> None:
        request = MultiLogQuery(SearchQuery("needle"), 2, 100, {})
        async for result in MultiLogSearch(Store(files), request).run(logs()):
            results.put_nowait(result)

    running = asyncio.create_task(search())
    await until(lambda: results.qsize() == 8)
    assert set(list_children(os.getpid())) - before
    running.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await until(lambda: not set(list_children(os.getpid())) - before, within_s=10)
