"""Collects the lines of a log that match, with the lines around them. Runs in the child process of a search."""

from __future__ import annotations

from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.block_reader import BlockReader
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.log_scanner import LogScanner, Progress
from flow_core.logs.search.match_blocks import MatchBlockFactory
from flow_core.logs.shown.shown_log import ShownLog

LINE_CHARACTERS = 2000
SPANS_PER_LINE = 100
_ALL_CHARACTERS = 1 << 20


def find_hits(
    files: SpoolFiles, matcher: LineMatcher, progress: Progress, start: int, limit: int, context: int
) -> dict[str, Any]:
    """Returns the first `limit` lines from `start` on that match, and how far the log was searched.

    A hit is [offset, text, spans, lines before, lines after].
    """
    reader, log = BlockReader(files, MatchBlockFactory(matcher), None), ShownLog(files)
    try:
        log.refresh()
        return _collect(LogScanner(reader, progress), log, matcher, start, limit, context)
    finally:
        reader.close()
        log.close()


def _collect(
    scanner: LogScanner, log: ShownLog, matcher: LineMatcher, start: int, limit: int, context: int
) -> dict[str, Any]:
    hits: list[Any] = []
    characters, last = 0, -1
    for found in scanner.iter_from(start):
        if found.offset == last:
            continue
        if len(hits) == limit or characters > _ALL_CHARACTERS:
            return {"hits": hits, "searched": found.offset, "is_cut": True}
        last = found.offset
        hit = _describe(log, matcher, found.offset, context)
        hits.append(hit)
        characters += len(hit[1]) + sum(map(len, (*hit[3], *hit[4])))
    return {"hits": hits, "searched": _find_last_line(log), "is_cut": False}


def _describe(log: ShownLog, matcher: LineMatcher, offset: int, context: int) -> list[Any]:
    lines = [line for line in log.lines_from(offset, context + 1) if line.offset >= offset]
    text, after = (lines[0].text, lines[1:]) if lines else ("", [])
    before = log.lines_before(offset, context)
    spans = [span for _, span in zip(range(SPANS_PER_LINE), matcher.iter_spans(text), strict=False)]
    return [offset, text[:LINE_CHARACTERS], spans, _cut(before), _cut(after)]


def _cut(lines: list[Any]) -> list[str]:
    return [line.text[:LINE_CHARACTERS] for line in lines]


def _find_last_line(log: ShownLog) -> int:
    last = log.lines_before(log.size, 1)
    return last[0].offset if last else 0
