"""Reads the bytes of a log by position, and notices when it was replaced.

Each call makes a few `pread`s of a local file and may run on an event loop.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

from flow_core.agent.regular_files import open_regular_file

_BLOCK = 64 * 1024
_MAX_CACHED_BLOCKS = 64
_FINGERPRINT = 64


class LogFileReader:
    """A reader of a file that another process may write. The file may be missing, grow, or be replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._identity = (0, 0)
        self._fingerprint = b""
        """The last bytes before `size`. They differ if the file was emptied and has grown beyond its old size again."""
        self._modified_ns = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.size = 0
        self.generation = 0
        """Grows when another file is read from its start: the log was replaced or cut short."""

    def refresh(self) -> bool:
        """Checks the file again; returns whether its size or identity has changed."""
        try:
            status = os.stat(self._path)
        except OSError:
            return self._reset() if self._fd is not None else False
        was_open, replaced = self._fd is not None, self._is_replaced(status)
        if replaced and not self._reopen():
            return was_open
        changed = replaced or status.st_size != self.size
        if changed:
            self._blocks.pop(self.size // _BLOCK, None)
            self._fingerprint = self._read_before(status.st_size)
        self.size, self._modified_ns = status.st_size, status.st_mtime_ns
        return changed

    def close(self) -> None:
        """Releases the file. Calling it again is safe."""
        self._reset()

    def read(self, offset: int, length: int) -> bytes:
        """Returns at most `length` bytes from `offset` on."""
        pieces = []
        stop = min(self.size, offset + length)
        while offset < stop:
            block, start = self._block(offset // _BLOCK), offset % _BLOCK
            piece = block[start : start + stop - offset]
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _block(self, number: int) -> bytes:
        """Returns one block, from the cache if possible.

        Appended bytes never change; `refresh` drops the last block.
        """
        if (cached := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return cached
        if self._fd is None:
            return b""
        block = self._blocks[number] = os.pread(self._fd, _BLOCK, number * _BLOCK)
        if len(self._blocks) > _MAX_CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def _is_replaced(self, status: os.stat_result) -> bool:
        """Returns whether the file is not the one that was read so far, with more bytes at its end."""
        if self._fd is None or (status.st_dev, status.st_ino) != self._identity or status.st_size < self.size:
            return True
        is_modified = status.st_size != self.size or status.st_mtime_ns != self._modified_ns
        return is_modified and self._read_before(self.size) != self._fingerprint

    def _read_before(self, offset: int) -> bytes:
        start = max(0, offset - _FINGERPRINT)
        return b"" if self._fd is None else os.pread(self._fd, offset - start, start)

    def _reopen(self) -> bool:
        self._reset()
        try:
            self._fd = open_regular_file(self._path)
        except OSError:
            return False
        status = os.fstat(self._fd)
        self._identity = (status.st_dev, status.st_ino)
        self.generation += 1
        return True

    def _reset(self) -> bool:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None
        self._fingerprint = b""
        self._blocks.clear()
        had_content = self.size > 0
        self.size = 0
        return had_content
