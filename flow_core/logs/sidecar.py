"""Reads the sidecar by position: the time and the stream of each byte. Uses bounded memory."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flow_core.agent.regular_files import open_regular_file
from flow_core.agent.spool import RECORD, STDOUT, Stamp

_BLOCK_RECORDS = 4096
_MAX_CACHED_BLOCKS = 16
_NO_END = 1 << 64
_STREAMS = bytes(value & 1 for value in range(256))


@dataclass(frozen=True, slots=True)
class StreamSpan:
    """Bytes from `start` (inclusive) to `end` (exclusive) of one stream."""

    start: int
    end: int
    stream: int


class SidecarIndex:
    """Look-ups in a sidecar, which may be missing, growing, or cut short in its last record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.count = 0

    def refresh(self) -> bool:
        """Checks the file again; returns whether the records have changed."""
        before = self.count
        try:
            if self._fd is None:
                self._fd = open_regular_file(self._path)
            status = os.stat(self._path)
        except OSError:
            self.close()
            return before != 0
        open_status = os.fstat(self._fd)
        is_same = (status.st_dev, status.st_ino) == (open_status.st_dev, open_status.st_ino)
        if not is_same or status.st_size // RECORD.size < before:
            self.close()
            return self.refresh() or before != 0
        self.count = status.st_size // RECORD.size
        if self.count != before:
            self._blocks.pop(before // _BLOCK_RECORDS, None)
        return self.count != before

    def close(self) -> None:
        """Releases the file. Calling it again is safe."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._blocks.clear()
        self.count = 0

    @property
    def last_offset(self) -> int:
        """The offset in the last record; 0 without records."""
        return self._record(self.count - 1).offset if self.count else 0

    def get_offset(self, number: int) -> int:
        """Returns the offset in a record; `number` is less than `count`."""
        return self._record(number).offset

    def find_stamp(self, offset: int) -> Stamp | None:
        """Returns the record that covers the byte at `offset`; None before the first record."""
        number = self._index_at(offset)
        return None if number < 0 else self._record(number)

    def find_time(self, offset: int) -> datetime | None:
        """Returns the read time of the byte at `offset`, in UTC; None without a record or with an invalid time."""
        stamp = self.find_stamp(offset)
        try:
            return None if stamp is None else datetime.fromtimestamp(stamp.time_us / 1_000_000, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def last_time(self) -> datetime | None:
        """The read time of the last bytes, in UTC; None without a record or with an invalid time."""
        return self.find_time(self.last_offset) if self.count else None

    def find_offset(self, time: datetime) -> int | None:
        """Returns the offset of the first byte that was read at `time` or later; None if there is none.

        Takes one look-up per doubling of the records. If the clock was set back, the answer is one of the places where
        the records pass `time`.
        """
        return self.find_offset_us(int(time.timestamp() * 1_000_000))

    def list_stamps(self, offsets: Iterable[int]) -> list[tuple[int, int] | None]:
        """Returns the read time, in microseconds since the epoch, and the stream of the bytes at these offsets.

        Much faster than `find_stamp` for several offsets that ascend and are close together.
        """
        found = list[tuple[int, int] | None]()
        start, stop = 0, 0
        for offset in offsets:
            if not start <= offset < stop:
                block, start, stop = self._find_block(offset)
                values = self._read_values(block)
                starts = values[::2]
            number = bisect_right(starts, offset)
            packed = values[2 * number - 1] if number else 0
            found.append((packed >> 1, packed & 1) if number else None)
        return found

    def is_sorted_at_end(self, records: int) -> bool:
        """Returns whether no time of the last records of the last block is later than the last one."""
        if not self.count:
            return False
        packed = self._read_values((self.count - 1) // _BLOCK_RECORDS)[1::2][-records:]
        return len(packed) > 0 and max(packed) >> 1 == packed[-1] >> 1

    def find_offset_us(self, time_us: int) -> int | None:
        """Returns the offset of the first byte that was read at `time_us` or later; None if there is none yet.

        Where the times decrease, it is one of several such offsets.
        """
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self._record(middle).time_us < time_us:
                low = middle + 1
            else:
                high = middle
        return self._record(low).offset if low < self.count else None

    def spans(self, start: int, end: int) -> Iterator[StreamSpan]:
        """Yields the spans of the range in order; each ends where the stream changes."""
        number = self._index_at(start)
        stream = STDOUT if number < 0 else self._record(number).stream
        while start < end:
            other = self._find_record(1 - stream, number + 1)
            stop = end if other is None else min(end, self._record(other).offset)
            if stop > start:
                yield StreamSpan(start, stop, stream)
            if other is None:
                return
            start, number, stream = max(start, stop), other, 1 - stream

    def find_next(self, stream: int, offset: int) -> int | None:
        """Returns the first offset from `offset` on whose byte is of `stream`; None if there is none yet."""
        number = self._index_at(offset)
        if (STDOUT if number < 0 else self._record(number).stream) == stream:
            return offset
        found = self._find_record(stream, number + 1)
        while found is not None and self._is_replaced(found):
            found = self._find_record(stream, found + 1)
        return None if found is None else self._record(found).offset

    def find_previous(self, stream: int, offset: int) -> int | None:
        """Returns the end of the last byte of `stream` before `offset`; None if there is none."""
        number = self._index_at(offset - 1)
        found = self._last_of(stream, number)
        while found is not None and self._is_replaced(found):
            found = self._last_of(stream, found - 1)
        if found is None:
            return offset if number < 0 and stream == STDOUT and offset > 0 else self._end_without_record(stream)
        return offset if found == number else self._record(found + 1).offset

    def _end_without_record(self, stream: int) -> int | None:
        first = self._record(0).offset if self.count else 0
        return first if stream == STDOUT and first > 0 else None

    def _is_replaced(self, number: int) -> bool:
        """Returns whether a record covers no byte.

        Its writer ended before it wrote, and the next record has the same offset.
        """
        return number + 1 < self.count and self._record(number + 1).offset == self._record(number).offset

    def _index_at(self, offset: int) -> int:
        """Returns the index of the last record at or before `offset`; -1 if there is none."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self._record(middle).offset <= offset:
                low = middle + 1
            else:
                high = middle
        return low - 1

    def _find_block(self, offset: int) -> tuple[int, int, int]:
        """Returns the block with the record that covers `offset`, and the range of the offsets that it covers."""
        low, high = 0, max(0, self.count - 1) // _BLOCK_RECORDS
        if self._read_first_offset(high) <= offset:
            return high, self._read_first_offset(high), _NO_END
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if self._read_first_offset(middle) <= offset else (low, middle)
        return low, self._read_first_offset(low) if low else 0, self._read_first_offset(high)

    def _read_values(self, block: int) -> memoryview[int]:
        """Returns both halves of each record of a block. Machines with another byte order are not supported."""
        data = memoryview(self._block(block) if self.count else b"")
        whole = min(self.count - block * _BLOCK_RECORDS, len(data) // RECORD.size, _BLOCK_RECORDS)
        return data[: whole * RECORD.size].cast("Q")

    def _read_first_offset(self, block: int) -> int:
        """Returns the offset in the first record of a block, without reading the block; 0 without records."""
        cached, size = self._blocks.get(block), RECORD.size
        if not self.count:
            return 0
        assert self._fd is not None  # records exist only with a file
        first = os.pread(self._fd, size, block * _BLOCK_RECORDS * size) if cached is None else cached
        return int(RECORD.unpack_from(first)[0])

    def _record(self, number: int) -> Stamp:
        block, within = divmod(number, _BLOCK_RECORDS)
        offset, packed = RECORD.unpack_from(self._block(block), within * RECORD.size)
        return Stamp(offset, packed & 1, packed >> 1)

    def _find_record(self, stream: int, number: int) -> int | None:
        """Returns the index of the first record of the stream from this index on; None if there is none."""
        while number < self.count:
            block, within = divmod(number, _BLOCK_RECORDS)
            found = self._streams(block).find(bytes((stream,)), within)
            if found >= 0:
                return block * _BLOCK_RECORDS + found
            number = (block + 1) * _BLOCK_RECORDS
        return None

    def _last_of(self, stream: int, number: int) -> int | None:
        while number >= 0:
            block, within = divmod(number, _BLOCK_RECORDS)
            found = self._streams(block).rfind(bytes((stream,)), 0, within + 1)
            if found >= 0:
                return block * _BLOCK_RECORDS + found
            number = block * _BLOCK_RECORDS - 1
        return None

    def _streams(self, number: int) -> bytes:
        """Returns one byte per record of a block. The stream is the lowest bit of a record's second half."""
        block = self._block(number)
        whole = min(self.count - number * _BLOCK_RECORDS, _BLOCK_RECORDS)
        return block[8 : whole * RECORD.size : RECORD.size].translate(_STREAMS)

    def _block(self, number: int) -> bytes:
        if (cached := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return cached
        assert self._fd is not None  # records exist only with a file
        size = _BLOCK_RECORDS * RECORD.size
        block = self._blocks[number] = os.pread(self._fd, size, number * size)
        if len(self._blocks) > _MAX_CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return block


def select_streams(data: bytes, offset: int, sidecar: SidecarIndex, streams: Collection[int] | None) -> bytes:
    """Returns the bytes of `data`, which begins at `offset`, that are of those streams (None: all)."""
    if streams is None:
        return data
    spans = sidecar.spans(offset, offset + len(data))
    return b"".join(data[span.start - offset : span.end - offset] for span in spans if span.stream in streams)
