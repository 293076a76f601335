"""Spools of many logs for the benchmarks, on tmpfs, and a program that makes them grow."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from flow_core.agent.spool import RECORD, STDOUT, SpoolFiles, SpoolWriter

TMPFS = Path("/dev/shm")
LINE = b"step %8d loss 2.3187 lr 3.0e-04 grad_norm 1.042 tokens/s 184320 mem 71.2 GB eta 02:13:45 epoch 1.25\n"


def make_spools(folder: Path, logs: int, log_bytes: int, line_us: int = 5_000) -> list[SpoolFiles]:
    """Spools of one log's bytes under many names, with a sidecar record for each line. The last line is of now."""
    lines = log_bytes // len(LINE % 0)
    first_us = time.time_ns() // 1_000 - lines * line_us
    files = [SpoolFiles.at(folder / f"rank-{number}") for number in range(logs)]
    with open(files[0].log, "wb") as log, open(files[0].sidecar, "wb") as sidecar:
        for start in range(0, lines, 10_000):
            numbers = range(start, min(lines, start + 10_000))
            log.write(b"".join(LINE % number for number in numbers))
            sidecar.write(
                b"".join(
                    RECORD.pack(number * len(LINE % 0), (first_us + number * line_us) << 1 | STDOUT)
                    for number in numbers
                )
            )
    for other in files[1:]:
        for path, link in zip(files[0], other, strict=True):
            os.link(path, link)
    return files


def write_lines(folder: Path, logs: int, lines_per_s: int, seconds: float) -> None:
    """Appends lines to every log at this rate, each one alone."""
    writers = [
        SpoolWriter(SpoolFiles.at(folder / f"rank-{number}"), lambda: time.time_ns() // 1_000) for number in range(logs)
    ]
    began = time.monotonic()
    for number in range(round(lines_per_s * seconds)):
        for writer in writers:
            writer.append(STDOUT, LINE % number)
        time.sleep(max(0.0, began + (number + 1) / lines_per_s - time.monotonic()))


if __name__ == "__main__":
    write_lines(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
