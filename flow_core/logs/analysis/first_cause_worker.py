"""The child process that finds the first cause of a failed run. It prints one line of JSON and ends.

Its arguments are SECONDS RANK PATH [RANK PATH ...]. SECONDS is the time of the end of the run, since the epoch; it
completes the times of the lines. The last 64 MiB of the logs are read; `is_complete` is false if that is not all. The
process uses only the standard library and this package, so it starts in about 50 ms.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import BinaryIO

from flow_core.logs.analysis.first_cause import LIMIT_BYTES, find_first_cause
from flow_core.logs.analysis.plain_lines import read_lines


def main(seconds: str, *logs: str) -> None:
    reference = datetime.fromtimestamp(float(seconds), UTC)
    paths = {int(rank): path for rank, path in zip(logs[::2], logs[1::2], strict=True)}
    share = LIMIT_BYTES // max(1, len(paths))
    with ExitStack() as stack:
        files = {rank: stack.enter_context(_open(path)) for rank, path in paths.items()}
        starts = {rank: _find_start(file, share) for rank, file in files.items()}
        report = find_first_cause({rank: read_lines(file, reference, starts[rank]) for rank, file in files.items()})
    report = replace(report, is_complete=report.is_complete and not any(starts.values()))
    print(json.dumps(asdict(report)), flush=True)


def _open(path: str) -> BinaryIO:
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # opening a pipe must not block


def _find_start(file: BinaryIO, limit_bytes: int) -> int:
    """Returns the offset of the first whole line of the end of a file."""
    start = max(0, file.seek(0, 2) - limit_bytes)
    file.seek(start)
    return start + len(file.readline(limit_bytes)) if start else 0
