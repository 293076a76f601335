"""The child process of a search: reads requests as lines of JSON, answers each with one.

    matcher.py PATH PATTERN FLAGS

Standard library only, and none of this package: it starts in a few milliseconds under `python -I -S`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

BLOCK = 4 * 1024 * 1024
_LINE_LIMIT = 16 * 1024 * 1024
_SPANS_LIMIT = 500
_CODES = re.compile(r"\\[0-9xuUN]")


class FileSearcher:
    """One pattern over one file, a few MiB at a time and never across the end of a line."""

    def __init__(self, log: BinaryIO, pattern: str, *, ignores_case: bool) -> None:
        self._log = log
        flags = re.IGNORECASE if ignores_case else 0
        # Small letters only, over bytes made small: several times faster than IGNORECASE, which looks at each byte.
        self._lowers = ignores_case and pattern.isascii() and not _CODES.search(pattern)
        own = 0 if self._lowers else flags
        self._bytes = re.compile(pattern.encode("utf-8", "replace"), own | re.MULTILINE)
        self._text = re.compile(pattern, flags | re.MULTILINE)

    def next(self, position: int) -> tuple[int, int] | None:
        start = self._line_start(position)
        for base, block in self._blocks(start, None):
            for found in self._bytes.finditer(block, max(0, position - base)):
                if found.end() > found.start():
                    return _place(base, found)
        return None

    def previous(self, position: int) -> tuple[int, int] | None:
        end = self._line_end(position)
        while end > 0:
            start = self._line_start(max(0, end - BLOCK))
            last = None
            for base, block in self._blocks(start, end):
                for found in self._bytes.finditer(block):
                    if found.end() > found.start() and base + found.start() < position:
                        last = _place(base, found)
            if last is not None:
                return last
            end = start
        return None

    def count(self) -> int:
        """Lines that match."""
        total = 0
        for _, block in self._blocks(0, None):
            behind = 0
            while found := self._bytes.search(block, behind):
                total += found.end() > found.start()
                newline = block.find(b"\n", max(found.end() - 1, found.start()))
                if newline < 0:
                    break
                behind = newline + 1
        return total

    def spans(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Where each text matches, as far as anybody would look at it."""
        return [
            [found.span() for found in islice(self._text.finditer(text), _SPANS_LIMIT) if found.end() > found.start()]
            for text in texts
        ]

    def _blocks(self, start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
        """Whole lines from `start`, which starts one, a block at a time."""
        kept = b""
        while stop is None or start + len(kept) < stop:
            self._log.seek(start + len(kept))
            more = self._log.read(BLOCK if stop is None else min(BLOCK, stop - start - len(kept)))
            block = kept + more
            cut = block.rfind(b"\n") + 1
            if not more or len(block) > _LINE_LIMIT:
                cut = len(block)
            if cut:
                yield start, self._prepared(block[:cut])
            if not more:
                return
            start, kept = start + cut, block[cut:]
        if kept:
            yield start, self._prepared(kept)

    def _prepared(self, block: bytes) -> bytes:
        return block.lower() if self._lowers else block

    def _line_start(self, position: int) -> int:
        floor = max(0, position - _LINE_LIMIT)
        end = position
        while end > floor:
            start = max(floor, end - 65536)
            self._log.seek(start)
            found = self._log.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return floor

    def _line_end(self, position: int) -> int:
        """Just behind the line that holds `position`, or the end of the file."""
        self._log.seek(position)
        line = self._log.readline(_LINE_LIMIT)
        return min(position + len(line), self._log.seek(0, 2))


def main(path: str, pattern: str, flags: str) -> None:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as log:  # a pipe must not block
        matcher = FileSearcher(log, pattern, ignores_case="i" in flags)
        for line in sys.stdin.buffer:
            print(json.dumps(_answer(matcher, json.loads(line))), flush=True)


def _answer(matcher: FileSearcher, request: dict[str, Any]) -> Any:
    match request["find"]:
        case "next":
            return matcher.next(request["position"])
        case "previous":
            return matcher.previous(request["position"])
        case "count":
            return matcher.count()
        case _:
            return matcher.spans(request["texts"])


def _place(base: int, found: re.Match[bytes]) -> tuple[int, int]:
    return base + found.start(), found.end() - found.start()


if __name__ == "__main__":
    main(*sys.argv[1:4])
