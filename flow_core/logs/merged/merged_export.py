"""Reads merged logs as blocks of text: each line after the label of its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from flow_core.logs.escape import escape_controls
from flow_core.logs.export import LogBlock
from flow_core.logs.merged.merged_log import MergedLog
from flow_core.logs.merged.position import MergedPosition

_LINES = 500


def list_prefixes(labels: list[str]) -> list[str]:
    """Returns what stands before the lines of each log: its label, as wide as the widest one, and a space."""
    escaped = [escape_controls(label) for label in labels]
    width = max(map(len, escaped), default=0)
    return [f"{label:<{width}} " for label in escaped]


def read_merged_blocks(merged: MergedLog, start: MergedPosition, end: MergedPosition) -> Iterator[LogBlock]:
    """Yields the lines between two positions, each with the label of its log and a newline. Does blocking I/O.

    Closes the log. The end of a block is the sum of the offsets in all logs.
    """
    prefixes = list_prefixes([source.label for source in merged.sources])
    with closing(merged):
        merged.open_files()
        position = start
        while lines := merged.lines_from(position, _LINES):
            inside = [line for line in lines if line.line.offset < end.offsets[line.source]]
            position = lines[-1].end
            text = "".join(f"{prefixes[line.source]}{line.line.text}\n" for line in inside)
            yield LogBlock(text.encode("utf-8", "replace"), position.bytes_before)
            if all(offset >= last for offset, last in zip(position.offsets, end.offsets, strict=True)):
                return
