"""The child process that finds the first cause of a failed run in the files of its logs."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from testbed import failed_runs
from testbed.sshd import list_children

from flow_core.agent.spool import SpoolFiles
from flow_core.errors import FlowError
from flow_core.logs.failure_report import FailureCause, FailureReport
from flow_core.logs.failure_search import find_failure_cause
from flow_core.logs.log_id import LogId

ENDED_AT = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)


def rank(number: int) -> LogId:
    return LogId("local", "task_a", 0, number)


async def find(*logs: Path) -> FailureReport:
    files = {rank(number): SpoolFiles(log, log.with_suffix(".idx")) for number, log in enumerate(logs)}
    return await find_failure_cause(files, ENDED_AT)


async def test_the_cause_is_found_in_the_files_of_the_ranks(tmp_path: Path) -> None:
    first, second = tmp_path / "rank-0.log", tmp_path / "rank-1.log"
    traceback = 'Traceback (most recent call last):\n  File "a", line 1, in f\nValueError: {}\n'
    first.write_text("2026-01-02 03:04:05 start\n2026-01-02 03:09:00 ERROR lost a peer\n" + traceback.format("late"))
    second.write_text("2026-01-02 03:04:05 start\n2026-01-02 03:08:00 step\n" + traceback.format("early"))
    offsets = (second.read_bytes().index(b"ValueError"), second.read_bytes().index(b"Traceback"))
    cause = FailureCause("exception", "ValueError: early", 1, rank(1), *offsets)
    assert await find(first, second) == FailureReport(cause, (rank(0), rank(1)))


async def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(80 * 1024 * 1024)
        file.seek(0, 2)
        file.write(b"\n" + failed_runs.TORCHRUN_RANK_2_DIES.encode())
    report = await find(log)
    assert report.cause is not None
    assert report.cause.summary == "ValueError: token 50300 is outside of the vocabulary"
    assert report.cause.rank == 2
    assert report.cause.offset == log.read_bytes().index(b"[rank2]: ValueError")
    assert not report.is_complete
    assert await find() == FailureReport(None, ())


async def test_a_log_that_disappears_is_an_error_and_not_a_missing_cause(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="the process that reads the logs failed"):
        await find(tmp_path / "gone")


async def test_cancelling_ends_the_child_process(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"step 1 loss 2.0 of a long run\n" * 2_000_000)
    before = list_children(os.getpid())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await find(log)
    assert list_children(os.getpid()) == before
