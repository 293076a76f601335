"""The lines of a level in blocks of bytes are those that `find_level` finds."""

from __future__ import annotations

from flow_core.logs.analysis.levels import LogLevel, find_level
from flow_core.logs.filtered.level_matcher import LevelMatcher
from flow_core.logs.filtered.line_block import RawLines
from flow_core.logs.filtered.line_filter import LeastLevel
from flow_core.logs.search.raw_block import BlockBytes

_LINES = [
    b"step 1 loss 0.5 error=0.1",
    b"\x1b[1;31mERROR\x1b[0m:root:could not open",
    b"AssertionError\r",
    b"Killed\r",
    b"[rank2]: Traceback (most recent call last):\r",
    b"thread 'main' panicked at src/main.rs:2:5:",
    b"terminate called after throwing an instance of 'c10::Error'",
    b'{"level":50,"time":1712345678,"msg":"engine died"}',
    b'{"level": 40, "msg": "slow"}',
    b"time=2024-01-02T03:04:05Z level=warn msg=slow",
    b"W0102 03:04:05.123000 4242 torch/distributed/run.py:792] master port is in use",
    b"2024-01-02 03:04:05,678 - trainer - WARNING - slow\r",
    b"\x1b[33mWARNING\x1b[0m slow",
    b"/usr/lib/python3/site.py:12: UserWarning: old",
    b"[TRT-LLM] [W] slow",
    b"0 errors, 0 warnings",
    b"",
    "É ERROR nothing".encode(),
    b"FATAL: the last line has no newline",
]


def test_blocks_have_the_lines_that_have_the_level() -> None:
    raw = b"\n".join(_LINES)
    block = RawLines(1000, BlockBytes.of(raw), len(raw))
    errors = (LogLevel.ERROR, LogLevel.CRITICAL)
    for least, levels in ((LeastLevel.ERROR, errors), (LeastLevel.WARNING, (*errors, LogLevel.WARNING))):
        expected = [start for start, text in zip(block.starts, block.texts, strict=True) if find_level(text) in levels]
        assert LevelMatcher(least).find(block) == expected
        assert len(expected) == (8 if least is LeastLevel.ERROR else 15)
