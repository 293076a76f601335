"""The child process that finds the first cause of a failed run in the files of its logs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed import failed_runs
from testbed.waiting import DEADLINE_S

from flow_core.logs.analysis import first_cause_worker

ENDED_AT = datetime(2026, 1, 2, 4, 0, tzinfo=UTC).timestamp()


def find(**logs: Path) -> dict[str, Any]:
    arguments = [word for rank, path in logs.items() for word in (rank.removeprefix("rank"), str(path))]
    done = subprocess.run(
        [sys.executable, "-I", "-S", first_cause_worker.__file__, str(ENDED_AT), *arguments],
        capture_output=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stderr == b""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_cause_is_found_in_the_files_of_the_ranks(tmp_path: Path) -> None:
    first, second = tmp_path / "rank-0.log", tmp_path / "rank-1.log"
    traceback = 'Traceback (most recent call last):\n  File "a", line 1, in f\nValueError: {}\n'
    first.write_text("2026-01-02 03:04:05 start\n2026-01-02 03:09:00 ERROR lost a peer\n" + traceback.format("late"))
    second.write_text("2026-01-02 03:04:05 start\n2026-01-02 03:08:00 step\n" + traceback.format("early"))
    report = find(rank0=first, rank1=second)
    assert report["cause"] == {
        "kind": "exception",
        "log": 1,
        "rank": 1,
        "offset": second.read_bytes().index(b"ValueError"),
        "summary": "ValueError: early",
        "traceback": second.read_bytes().index(b"Traceback"),
    }
    assert report["is_complete"]


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(80 * 1024 * 1024)
        file.seek(0, 2)
        file.write(b"\n" + failed_runs.TORCHRUN_RANK_2_DIES.encode())
    report = find(rank0=log)
    assert report["cause"]["summary"] == "ValueError: token 50300 is outside of the vocabulary"
    assert report["cause"]["offset"] == log.read_bytes().index(b"[rank2]: ValueError")
    assert not report["is_complete"]
    assert find()["cause"] is None
