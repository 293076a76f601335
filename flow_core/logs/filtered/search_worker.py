"""The child process of a search in the lines that pass filters. It serves what `search.worker` serves."""

from __future__ import annotations

import json

from flow_core.logs.filtered.line_selector import LineSelector
from flow_core.logs.filtered.passing_matches import PassingBlocks
from flow_core.logs.search.line_matcher import LineMatcher
from flow_core.logs.search.worker import LogReaders, serve


def main(log: str, sidecar: str, options: str) -> None:
    """Serves a search in the lines that pass."""
    settings = json.loads(options)
    matcher = LineMatcher(settings["source"], ignores_case=settings["ignores_case"])
    blocks = PassingBlocks(matcher, LineSelector(settings["filters"]))
    serve(log, sidecar, matcher, LogReaders(blocks, settings["stream"]))
