"""Merges the lines of several logs by their order times, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace

from flow_core.logs.merged.line_buffer import TimedLine
from flow_core.logs.merged.source import MergedSource

CHUNK_LINES = 2
_MOST_CHUNK_LINES = 256


def merge_forwards(
    sources: Mapping[int, MergedSource], offsets: Sequence[int], count: int
) -> Iterator[tuple[int, TimedLine]]:
    """Yields up to `count` lines that follow these offsets, in order, with the number of their source."""
    return _merge(
        {number: _read_forwards(source, offsets[number], count) for number, source in sources.items()}, 1, count
    )


def merge_backwards(
    sources: Mapping[int, MergedSource], offsets: Sequence[int], count: int
) -> Iterator[tuple[int, TimedLine]]:
    """Yields up to `count` lines that precede these offsets, the last one first, with the number of their source."""
    return _merge(
        {number: _read_backwards(source, offsets[number], count) for number, source in sources.items()}, -1, count
    )


def _merge(lines: Mapping[int, Iterator[TimedLine]], sign: int, count: int) -> Iterator[tuple[int, TimedLine]]:
    firsts = ((number, reader, next(reader, None)) for number, reader in lines.items())
    heap = [
        (sign * timed.order_us, sign * number, timed, reader) for number, reader, timed in firsts if timed is not None
    ]
    heapify(heap)
    while heap and count > 0:
        _, key, timed, reader = heap[0]
        yield sign * key, timed
        count -= 1
        if (following := next(reader, None)) is None:
            heappop(heap)
        else:
            heapreplace(heap, (sign * following.order_us, key, following, reader))


def _read_forwards(source: MergedSource, offset: int, count: int) -> Iterator[TimedLine]:
    chunk = min(CHUNK_LINES, count)
    while lines := source.list_from(offset, chunk):
        yield from lines
        offset, chunk = lines[-1].line.end, min(2 * chunk, _MOST_CHUNK_LINES)


def _read_backwards(source: MergedSource, offset: int, count: int) -> Iterator[TimedLine]:
    chunk = min(CHUNK_LINES, count)
    while lines := source.list_before(offset, chunk):
        yield from reversed(lines)
        offset, chunk = lines[0].line.offset, min(2 * chunk, _MOST_CHUNK_LINES)
