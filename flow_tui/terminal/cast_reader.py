"""Reads recorded terminal sessions in the format asciicast v2."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from flow_core.agent.regular_files import open_regular_file
from flow_core.errors import FlowError
from flow_tui.terminal.cells import to_plain_title

_MAX_BYTES = 200_000_000
_MAX_SIZE = (500, 200)
_PIECE = 4096


class CastEvent(NamedTuple):
    """Output, or a new size, at a time counted from the start."""

    at_s: float
    output: bytes = b""
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Cast:
    """A recording. Sizes are (columns, rows), never larger than 500 by 200."""

    title: str
    size: tuple[int, int]
    events: tuple[CastEvent, ...]

    @property
    def duration_s(self) -> float:
        return self.events[-1].at_s if self.events else 0.0


def read_cast(path: Path) -> Cast:
    """Reads a recording. Takes about a second for 50 MB. Skips broken and unfinished lines. Raises FlowError."""
    try:
        with _open(path) as lines:
            if os.fstat(lines.fileno()).st_size > _MAX_BYTES:
                raise FlowError(f"{path.name} is too large to be played here: more than {_MAX_BYTES // 1_000_000} MB")
            header = _parse_json(lines.readline(_PIECE))
            if not isinstance(header, dict) or header.get("version") != 2:
                raise FlowError(f"{path.name} can't be played: only asciicast version 2 recordings can be")
            events = tuple(_parse_events(lines))
    except OSError as error:
        raise FlowError(f"{path.name} can't be read: {error.strerror}") from error
    size = _parse_size(header.get("width"), header.get("height")) or (80, 24)
    return Cast(to_plain_title(str(header.get("title") or path.stem)), size, events)


def read_cast_title(path: Path) -> str:
    """Reads the title from the first line of a recording, or else derives it from the name of the file."""
    try:
        with _open(path) as lines:
            header = _parse_json(lines.readline(_PIECE))
    except OSError:
        header = None
    return to_plain_title(str(header.get("title") or path.stem)) if isinstance(header, dict) else path.stem


def _parse_events(lines: Iterator[str]) -> Iterator[CastEvent]:
    last_s = 0.0
    for line in lines:
        event = _parse_json(line)
        if not isinstance(event, list) or len(event) != 3 or not isinstance(event[2], str):
            continue
        at_s, kind, data = event
        if isinstance(at_s, int | float) and last_s <= at_s < 1e9:
            last_s = float(at_s)
        if kind == "o":
            output = data.encode("utf-8", "replace")
            yield from (CastEvent(last_s, output[i : i + _PIECE]) for i in range(0, len(output), _PIECE))
        elif kind == "r" and (size := _parse_size(*data.split("x", 1))):
            yield CastEvent(last_s, size=size)


def _open(path: Path) -> TextIO:
    return open(open_regular_file(path), encoding="utf-8", errors="replace")


def _parse_json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _parse_size(columns: Any, rows: Any = None) -> tuple[int, int] | None:
    try:
        return max(1, min(int(columns), _MAX_SIZE[0])), max(1, min(int(rows), _MAX_SIZE[1]))
    except (TypeError, ValueError, OverflowError):
        return None
