"""The child process of a search. It reads requests as lines of JSON and answers each with one line.

    search_worker.py PATH PATTERN FLAGS

It uses only the standard library and nothing of this package, so that it starts in a few ms under `python -I -S`.
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
_ESCAPED_CODES = re.compile(r"\\[0-9xuUN]")


class FileSearcher:
    """A search for one pattern in one file. It reads a few MiB at a time and never matches across lines."""

    def __init__(self, log: BinaryIO, pattern: str, *, ignores_case: bool) -> None:
        self._log = log
        flags = re.IGNORECASE if ignores_case else 0
        # A lower-case pattern over lower-cased bytes is several times faster than IGNORECASE.
        self._lowers_text = ignores_case and pattern.isascii() and not _ESCAPED_CODES.search(pattern)
        byte_flags = 0 if self._lowers_text else flags
        self._bytes = re.compile(pattern.encode("utf-8", "replace"), byte_flags | re.MULTILINE)
        self._text = re.compile(pattern, flags | re.MULTILINE)

    def next(self, position: int) -> tuple[int, int] | None:
        start = self._line_start(position)
        for base, block in self._blocks(start, None):
            for found in self._bytes.finditer(block, max(0, position - base)):
                if found.end() > found.start():
                    return _to_pair(base, found)
        return None

    def previous(self, position: int) -> tuple[int, int] | None:
        end = self._line_end(position)
        while end > 0:
            start = self._line_start(max(0, end - BLOCK))
            last = None
            for base, block in self._blocks(start, end):
                for found in self._bytes.finditer(block):
                    if found.end() > found.start() and base + found.start() < position:
                        last = _to_pair(base, found)
            if last is not None:
                return last
            end = start
        return None

    def count(self) -> int:
        """Returns the number of lines that match."""
        total = 0
        for _, block in self._blocks(0, None):
            position = 0
            while found := self._bytes.search(block, position):
                total += found.end() > found.start()
                newline = block.find(b"\n", max(found.end() - 1, found.start()))
                if newline < 0:
                    break
                position = newline + 1
        return total

    def spans(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Returns the matches in each text, at most 500 per text."""
        return [
            [found.span() for found in islice(self._text.finditer(text), _SPANS_LIMIT) if found.end() > found.start()]
            for text in texts
        ]

    def _blocks(self, start: int, stop: int | None) -> Iterator[tuple[int, bytes]]:
        """Yields (offset, block) of whole lines, beginning at `start`, which is the start of a line."""
        rest = b""
        while stop is None or start + len(rest) < stop:
            self._log.seek(start + len(rest))
            more = self._log.read(BLOCK if stop is None else min(BLOCK, stop - start - len(rest)))
            block = rest + more
            cut = block.rfind(b"\n") + 1
            if not more or len(block) > _LINE_LIMIT:
                cut = len(block)
            if cut:
                yield start, self._prepare(block[:cut])
            if not more:
                return
            start, rest = start + cut, block[cut:]
        if rest:
            yield start, self._prepare(rest)

    def _prepare(self, block: bytes) -> bytes:
        return block.lower() if self._lowers_text else block

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
        """Returns the end of the line that contains `position`, including its newline."""
        self._log.seek(position)
        line = self._log.readline(_LINE_LIMIT)
        return min(position + len(line), self._log.seek(0, 2))


def main(path: str, pattern: str, flags: str) -> None:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as log:  # opening a pipe must not block
        searcher = FileSearcher(log, pattern, ignores_case="i" in flags)
        for line in sys.stdin.buffer:
            print(json.dumps(_handle(searcher, json.loads(line))), flush=True)


def _handle(searcher: FileSearcher, request: dict[str, Any]) -> Any:
    match request["find"]:
        case "next":
            return searcher.next(request["position"])
        case "previous":
            return searcher.previous(request["position"])
        case "count":
            return searcher.count()
        case _:
            return searcher.spans(request["texts"])


def _to_pair(base: int, found: re.Match[bytes]) -> tuple[int, int]:
    return base + found.start(), found.end() - found.start()


if __name__ == "__main__":
    main(*sys.argv[1:4])
