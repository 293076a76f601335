"""The merged log of a real task of four ranks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed.local_tasks import end_tasks
from testbed.log_truth import all_stamps
from testbed.merged_sources import read_backwards, read_forwards, texts
from testbed.waiting import DEADLINE_S, until

from flow_core import AsyncFlow
from flow_core.agent.spool import SpoolFiles
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.ranks import find_failing_rank, sort_log_ids
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.shown.shown_log import ShownLog
from flow_core.models.task import TaskStatus

RANKS, LINES = 4, 20
COMMAND = (
    f"for i in $(seq {LINES}); do echo line $i of $NODE_RANK; sleep 0.01; done; "
    'if [ "$NODE_RANK" = 2 ]; then exit 3; fi; exec sleep 60'
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FLOW_STATE_DIR", str(tmp_path))
    yield tmp_path
    end_tasks(tmp_path)


async def test_all_ranks_are_shown_by_the_times_of_their_lines_while_they_write_and_afterwards() -> None:
    async with AsyncFlow("local") as flow:
        task = await flow.submit(COMMAND, num_instances=RANKS)
        log_ids = await until(lambda: _all_ranks(flow, task.task_id))
        merged = MergedLog([await _open(flow, log_id) for log_id in log_ids])
        await until(lambda: merged.refresh() and len(merged.lines_before(merged.end, 5)) == 5)
        top = merged.lines_before(merged.end, 5)[0].position
        await task.wait(DEADLINE_S)
        merged.refresh()
        record = await flow.get_task(task.task_id)
        assert (record.status, find_failing_rank(record)) == (TaskStatus.FAILED, 2)
        assert [log_id.rank for log_id in sort_log_ids(log_ids, record)] == [2, 0, 1, 3]
        lines = read_forwards(merged, 7)
        assert [line for line in texts(lines) if line[0] == 2] == [(2, f"line {i + 1} of 2") for i in range(LINES)]
        assert texts(lines) == _sorted_by_sidecar([await flow.open_log(log_id) for log_id in log_ids])
        assert texts(lines) == texts(read_backwards(merged, 9))
        assert texts(merged.lines_from(top, 10**3))[0] in texts(lines)
        assert not any(line.is_arrival_time for line in lines)
        merged.close()


async def _all_ranks(flow: AsyncFlow, task_id: str) -> list:
    log_ids = await flow.log_addresses(task_id)
    return list(log_ids) if len(log_ids) == RANKS else []


async def _open(flow: AsyncFlow, log_id) -> MergedSource:
    files, clock = await flow.open_log(log_id), await flow.log_clock(log_id)
    return MergedSource(
        f"rank {log_id.rank}", ShownLog(files), has_writer_times=clock.has_writer_times, clock=clock.offset
    )


def _sorted_by_sidecar(logs: list[SpoolFiles]) -> list[tuple[int, str]]:
    found = []
    for number, files in enumerate(logs):
        stamps, offset = all_stamps(files), 0
        for line in files.log.read_bytes().splitlines(keepends=True):
            time_us = max(stamp.time_us for stamp in stamps if stamp.offset <= offset)
            found.append((time_us, number, offset, line.decode().rstrip("\n")))
            offset += len(line)
    return [(number, text) for _, number, _, text in sorted(found)]
