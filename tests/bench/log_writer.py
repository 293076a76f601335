"""Writes to a spool as a program does: `lines` or `bars` SPOOL PER_SECOND SECONDS, or `stamps` COUNT SPOOL..."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TICK_S = 0.002
STAMP_EVERY_S = 0.05
STAMPS_AT_ONCE = 25
_BAR = "█" * 40
INNER = "  steps: {percent:3}%|{bar:40}| {number:09} [02:11<01:05, 18.2it/s]"


def main(mode: str, arguments: list[str]) -> None:
    if mode == "stamps":
        _write_stamps(int(arguments[0]), [_open(path) for path in arguments[1:]])
        return
    rate, seconds = int(arguments[1]), float(arguments[2])
    make = _make_lines if mode == "lines" else make_redraws
    _write_paced(_open(arguments[0]), make, round(rate * TICK_S), round(seconds / TICK_S))


def _make_lines(first: int, count: int) -> bytes:
    return b"".join(b"%09d 0123456789 0123456789 0123456789 01234567\n" % n for n in range(first, first + count))


def make_redraws(first: int, count: int) -> bytes:
    """Redraws of the second of two bars, as tqdm writes them."""
    texts = (
        INNER.format(percent=n % 101, bar=_BAR[: n % 101 * 40 // 101], number=n) for n in range(first, first + count)
    )
    return "".join(f"\n\r{text}\x1b[A" for text in texts).encode()


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND)


def _write_paced(fd: int, make: Callable[[int, int], bytes], count: int, ticks: int) -> None:
    for tick in _iter_ticks(ticks, TICK_S):
        os.write(fd, make(tick * count, count))


def _write_stamps(count: int, fds: list[int]) -> None:
    """Writes so many lines with their time to each file, some to one file and then some to the next one."""
    order = [fd for _ in range(count // STAMPS_AT_ONCE) for fd in fds for _ in range(STAMPS_AT_ONCE)]
    for number, fd in enumerate(order):
        time.sleep(random.uniform(0.5, 1.5) * STAMP_EVERY_S)  # in step with nothing that a program does regularly
        os.write(fd, b"painted-%d-%d-end\n" % (number, time.time_ns()))


def _iter_ticks(count: int, every_s: float) -> Iterator[int]:
    """Yields at equal intervals. A late tick comes at once, so that the rate is kept."""
    began = time.monotonic()
    for tick in range(count):
        time.sleep(max(0.0, began + tick * every_s - time.monotonic()))
        yield tick


def make_spool(path: Path, size_mb: int) -> int:
    """Fills a file with plain lines of 100 bytes; returns their number."""
    block = b"".join(b"2026-01-01 00:00:00 %09d step=%06d %s\n" % (n, n, b"0.123456 " * 6) for n in range(10_000))
    count = max(1, size_mb * 1_000_000 // len(block))
    with path.open("wb") as file:
        for _ in range(count):
            file.write(block)
    return count * 10_000


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
