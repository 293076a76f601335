"""The child process of filters. Reads requests as lines of JSON and writes JSON lines: reports, then the response.

A report is a table; a response is a list of one value.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.filter_scan import FilterScan
from flow_core.logs.filtered.line_finder import LineFinder
from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.filtered.log_ranges import LogRanges
from flow_core.logs.filtered.offset_writer import OffsetWriter

_PROGRESS_S = 0.1


def main(options: str) -> None:
    """Writes an empty response, then serves requests until standard input ends."""
    settings = json.loads(options)
    files = SpoolFiles(Path(settings["log"]), Path(settings["sidecar"]))
    ranges = LogRanges(files, settings["stream"], expands_redraws=settings["expands_redraws"])
    selector = LineSelector(settings)
    finder = LineFinder(ranges, selector, ProgressSign().show)
    scan = None
    if settings["output"]:
        backward, forward = map(OffsetWriter, settings["output"])
        scan = FilterScan(ranges, selector, backward, forward, settings["start_near"])
    _write([])
    for line in sys.stdin.buffer:
        _write([_handle(scan, finder, json.loads(line))])
    ranges.close()


class ProgressSign:
    """Shows the parent, at most once each 0.1 s, that the child makes progress."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def show(self) -> None:
        if (now := time.monotonic()) >= self._next_s:
            self._next_s = now + _PROGRESS_S
            _write({})


def _handle(scan: FilterScan | None, finder: LineFinder, request: dict[str, Any]) -> Any:
    arguments = request["arguments"]
    match request["call"]:
        case "next":
            return finder.find_next(*arguments)
        case "previous":
            return finder.find_previous(*arguments)
        case _:
            return _catch_up(scan)


def _catch_up(scan: FilterScan | None) -> dict[str, Any]:
    assert scan is not None  # the options name its output
    try:
        return scan.catch_up(_write)
    except OSError as error:
        return {"problem": f"the lines that pass the filter can't be read or stored: {error.strerror}"}


def _write(message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
