"""Fifty logs in one view: how long it opens, and what following them costs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.log_spools import LINE, TMPFS, make_spools
from bench.table import Row, median, p95
from rich.style import Style
from testbed.pty_screen import Screen

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.merged.merged_lines import MergedLines
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.source import MergedSource
from flow_core.logs.shown.shown_log import ShownLog
from flow_tui.widgets.log.merged_painter import MergedPainter
from flow_tui.widgets.log.painter import LogFrame
from flow_tui.widgets.log.rows import LogLayout, LogStyles

LOGS, LOG_BYTES = 50, 100_000_000
LINES_PER_S, FOLLOWED_S, FRAMES_PER_S, ROWS = 200, 8.0, 20, 36
ROUNDS = 6
_STYLES = LogStyles(*[Style()] * 8)
_LAYOUT = LogLayout(119, time=True, label=8)
_FRAME = LogFrame(120, ROWS, 0, Style(), Style())


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="flow-bench-", dir=TMPFS if TMPFS.is_dir() else None) as folder:
        files = make_spools(Path(folder), LOGS, LOG_BYTES)
        before_mb = _peak_mb()
        opened, jumped = zip(*[_open(files) for _ in range(ROUNDS)], strict=True)
    with tempfile.TemporaryDirectory(prefix="flow-bench-", dir=TMPFS if TMPFS.is_dir() else None) as folder:
        frames_ms, core, lag_ms = _follow(Path(folder))
    with tempfile.TemporaryDirectory(prefix="flow-bench-", dir=TMPFS if TMPFS.is_dir() else None) as folder:
        keys_ms, app_core = _press_keys(Path(folder))
    size = f"{LOGS} logs of {LOG_BYTES // 10**6} MB"
    rate = f"{LOGS} logs, {LINES_PER_S} lines/s each"
    return [
        Row("merged logs opened at the end", median(opened[1:]), 50, "ms", size),
        Row("merged logs, go to a time", median(jumped[1:]), 150, "ms", size),
        Row("merged logs, following", core, 25, "%", f"of a core; {rate}, {FRAMES_PER_S} frames/s of {ROWS} rows"),
        Row("merged logs, a frame, p95", p95(frames_ms), 40, "ms", f"median {median(frames_ms):.1f} ms"),
        Row("merged logs, newest line, p95", p95(lag_ms), 100, "ms", "age of the last row when a frame is drawn"),
        Row("merged view, key p95", p95(keys_ms), 40, "ms", f"median {median(keys_ms):.1f} ms; {rate}"),
        Row("merged view, following", app_core, 25, "%", "of a core, for the whole app"),
        Row("merged logs, memory", _peak_mb() - before_mb, 130, "MB", "more than before they were opened"),
    ]


def _open(files: list[SpoolFiles]) -> tuple[float, float]:
    """Returns the milliseconds until the last rows are drawn, and those of a jump to a time in the middle."""
    began = time.perf_counter()
    painter = _make_painter(files)
    painter.refresh()
    painter.window.move_to_end(ROWS)
    painter.paint(_FRAME)
    opened = time.perf_counter()
    last = LOG_BYTES // len(LINE % 0) - 1
    assert painter.rows[-1].text == (LINE % last).decode().rstrip("\n")
    assert len(painter.rows) == ROWS
    middle = painter.rows[-1].when - timedelta(microseconds=last * 2_500)
    asked = time.perf_counter()
    painter.window.move_to_offset(painter.find_offset_at(middle), 0)
    painter.paint(_FRAME)
    jumped = time.perf_counter()
    assert timedelta(0) <= painter.rows[0].when - middle < timedelta(milliseconds=6)
    painter.close()
    return 1e3 * (opened - began), 1e3 * (jumped - asked)


def _follow(folder: Path) -> tuple[list[float], float, list[float]]:
    """Returns the milliseconds of each frame, the percentage of a core, and the age of the newest line in ms."""
    files = [SpoolFiles.at(folder / f"rank-{number}") for number in range(LOGS)]
    with _writing(folder):
        painter = _make_painter(files)
        try:
            while not all(source.size for source in painter.log.merged.sources):
                time.sleep(0.05)
                painter.refresh()
            time.sleep(1)  # the first second is left out
            return _draw_frames(painter)
        finally:
            painter.close()


def _press_keys(folder: Path) -> tuple[list[float], float]:
    """Returns the milliseconds from each key until its effect is on the terminal, and the percentage of a core."""
    with _writing(folder):
        program = Path(__file__).with_name("merged_log_program.py")
        with Screen([sys.executable, str(program), str(folder), str(LOGS)], _environment()) as screen:
            screen.wait_for(f"rank {LOGS - 1}", 20)
            screen.settle(0.01, 1.0)
            took_ms: list[float] = []
            began, used = time.monotonic(), _read_cpu_s(screen.pid)
            while time.monotonic() < began + FOLLOWED_S:
                screen.settle(0.005, 0.15)
                asked, expected = time.monotonic(), b"pressed-%d-times" % (len(took_ms) + 1)
                seen = len(screen.raw)
                screen.send("x")
                while screen.raw.find(expected, max(0, seen - 40)) < 0:
                    screen.pump(0.5)
                took_ms.append(1e3 * (time.monotonic() - asked))
            return took_ms, 100 * (_read_cpu_s(screen.pid) - used) / (time.monotonic() - began)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Runs a program that makes the logs grow."""
    program = [sys.executable, str(Path(__file__).with_name("log_spools.py"))]
    arguments = [str(folder), str(LOGS), str(LINES_PER_S), str(FOLLOWED_S + 30)]
    with subprocess.Popen([*program, *arguments], env=_environment()) as writer:
        try:
            yield
        finally:
            writer.kill()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def _read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _draw_frames(painter: MergedPainter) -> tuple[list[float], float, list[float]]:
    frames_ms, lag_ms = [], []
    began, used = time.monotonic(), time.process_time()
    for number in range(round(FOLLOWED_S * FRAMES_PER_S)):
        asked = time.perf_counter()
        painter.refresh()
        painter.window.move_to_end(ROWS)
        painter.paint(_FRAME)
        frames_ms.append(1e3 * (time.perf_counter() - asked))
        lag_ms.append((datetime.now(UTC) - painter.rows[-1].when).total_seconds() * 1e3)
        time.sleep(max(0.0, began + (number + 1) / FRAMES_PER_S - time.monotonic()))
    return frames_ms, 100 * (time.process_time() - used) / (time.monotonic() - began), lag_ms


def _make_painter(files: list[SpoolFiles]) -> MergedPainter:
    sources = [MergedSource(f"rank {number}", ShownLog(one)) for number, one in enumerate(files)]
    return MergedPainter(MergedLines(MergedLog(sources)), _LAYOUT, _STYLES)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
