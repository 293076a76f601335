"""The child process of a search. Reads requests as lines of JSON and writes JSON lines: progress, then the response.

It starts in a few ms, because it loads only the standard library and the modules about text. A progress line is a
table; a response is a list of one value.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.search.block_reader import BlockFactory, BlockReader
from flow_core.logs.search.hit_scanner import find_hits
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.log_scanner import LogScanner, Progress
from flow_core.logs.search.match_blocks import MatchBlock, MatchBlockFactory

_PROGRESS_S = 0.1
_SPANS_LIMIT = 500
_MOST_READERS = 64


def main(log: str, sidecar: str, options: str) -> None:
    """Serves a search in all lines."""
    settings = json.loads(options)
    matcher = LineMatcher(settings["source"], ignores_case=settings["ignores_case"])
    serve(log, sidecar, matcher, LogReaders(MatchBlockFactory(matcher), settings["stream"]))


def serve(log: str, sidecar: str, matcher: LineMatcher, readers: LogReaders) -> None:
    """Writes an empty response, then serves requests until standard input ends."""
    progress = ProgressWriter().report
    _write([])
    for line in sys.stdin.buffer:
        request = json.loads(line)
        call, arguments, files = request["call"], request["arguments"], [log, sidecar]
        if call == "in":
            files, call, *arguments = arguments
        scanner = LogScanner(readers.open(*files), progress)
        _write([_handle(scanner, matcher, progress, call, arguments)])


class LogReaders:
    """The readers of the logs that were searched last. It closes the reader that was not used for the longest time."""

    def __init__(self, blocks: BlockFactory[MatchBlock], stream: int | None) -> None:
        self._blocks = blocks
        self._stream = stream
        self._readers: dict[str, BlockReader[MatchBlock]] = {}

    def open(self, log: str, sidecar: str) -> BlockReader[MatchBlock]:
        """Returns the reader of a log. Later calls may close it."""
        reader = self._readers.pop(log, None)
        if reader is None:
            reader = BlockReader(SpoolFiles(Path(log), Path(sidecar)), self._blocks, self._stream)
        self._readers[log] = reader
        if len(self._readers) > _MOST_READERS:
            self._readers.pop(next(iter(self._readers))).close()
        return reader


class ProgressWriter:
    """A writer of progress, at most once each 0.1 s."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def report(self, offset: int, matches: int) -> None:
        if (now := time.monotonic()) >= self._next_s:
            self._next_s = now + _PROGRESS_S
            _write({"offset": offset, "matches": matches})


def _handle(scanner: LogScanner, matcher: LineMatcher, progress: Progress, call: str, arguments: list[Any]) -> Any:
    if call == "spans":
        return [list(islice(matcher.iter_spans(text), _SPANS_LIMIT)) for text in arguments]
    if call == "hits":
        log, sidecar, *rest = arguments
        return find_hits(SpoolFiles(Path(log), Path(sidecar)), matcher, progress, *rest)
    match call:
        case "next":
            return scanner.find_next(*arguments)
        case "previous":
            return scanner.find_previous(*arguments)
        case "count":
            return scanner.count(*arguments)
        case _:
            return scanner.count_before(*arguments)


def _write(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
