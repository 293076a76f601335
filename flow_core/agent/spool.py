"""A spool: the raw bytes of a log, and a sidecar with their time and stream.

`NAME.log` contains the bytes exactly as they were written. `NAME.idx` contains 16-byte records. Each record applies
from its offset on: offset (uint64), then microseconds since the epoch shifted left by one, with the lowest bit set for
stderr (uint64), little-endian. Readers ignore a record that a crash truncated. Offsets and times never decrease. A
record is appended before its bytes: a reader that reads the size of the log first and the sidecar second knows the
stream of every byte up to that size. A writer that ends between the two leaves a record without bytes; the next
writer's record of the same offset replaces it.

A log that a task writes itself has one stream. Its records state when growth was noticed, so they may come after their
bytes.

No dataclasses: the supervisor of a local task writes through this and must start fast.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("<QQ")
STDOUT, STDERR = 0, 1
_RESOLUTION_US = 1_000
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class SpoolFiles(NamedTuple):
    """The paths of the two files of a spool. Either may be missing until the first byte is written."""

    log: Path
    sidecar: Path

    @classmethod
    def at(cls, stem: Path) -> SpoolFiles:
        return cls(stem.with_name(stem.name + ".log"), stem.with_name(stem.name + ".idx"))


class Stamp(NamedTuple):
    """A sidecar record: from `offset` on, bytes are of `stream` and were read at `time_us`.

    `time_us` is in microseconds since the epoch.
    """

    offset: int
    stream: int
    time_us: int


class SpoolWriter:
    """A writer that appends to a spool. A spool must have only one writer; `now_us` must never decrease.

    `wait_for_room` is called while the disk is full and returns after a while. If it returns False, the writer drops
    the rest of this output and all later output.
    """

    def __init__(
        self, files: SpoolFiles, now_us: Callable[[], int], wait_for_room: Callable[[], bool] | None = None
    ) -> None:
        self._log_fd = _open(files.log)
        self._sidecar_fd = _open(files.sidecar)
        self._offset = os.fstat(self._log_fd).st_size
        _drop_partial_record(self._sidecar_fd)
        self._now_us = now_us
        self._wait_for_room = wait_for_room or _pause
        self._has_given_up = False
        self._last = Stamp(-1, -1, 0)

    @property
    def offset(self) -> int:
        """The number of bytes written up to now, which is the offset of the next byte."""
        return self._offset

    def append(self, stream: int, data: bytes) -> None:
        """Writes all of `data`; waits while the disk is full."""
        stamp = Stamp(self._offset, stream, self._now_us())
        if stamp.stream != self._last.stream or stamp.time_us - self._last.time_us >= _RESOLUTION_US:
            self._write(self._sidecar_fd, _pack(stamp))
            self._last = stamp
        self._write(self._log_fd, data)
        self._offset += len(data)

    def close(self) -> None:
        os.close(self._log_fd)
        os.close(self._sidecar_fd)

    def _write(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._has_given_up:
            try:
                view = view[os.write(fd, view) :]
            except OSError as error:
                if error.errno not in _DISK_FULL:
                    raise
                self._has_given_up = not self._wait_for_room()


class SidecarWriter:
    """A writer of the sidecar of a log that another process appends to, as stdout; `now_us` must never decrease.

    Bytes that arrived before a `note` get the time of that `note`.
    """

    def __init__(self, files: SpoolFiles, now_us: Callable[[], int]) -> None:
        self._log_fd = _open(files.log)
        self._sidecar_fd = _open(files.sidecar)
        self._now_us = now_us
        self._offset = os.fstat(self._log_fd).st_size
        _drop_partial_record(self._sidecar_fd)
        self._write()

    def fileno(self) -> int:
        """Returns the descriptor of the log."""
        return self._log_fd

    def note(self) -> bool:
        """Records the growth of the log; returns whether it has grown since the last call.

        On a full disk the next call tries again.
        """
        size = os.fstat(self._log_fd).st_size
        if size <= self._offset:
            return False
        if self._write():
            self._offset = size
        return True

    def close(self) -> None:
        os.close(self._log_fd)
        os.close(self._sidecar_fd)

    def _write(self) -> bool:
        record = _pack(Stamp(self._offset, STDOUT, self._now_us()))
        try:
            written = os.write(self._sidecar_fd, record)
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise
            return False
        if written < len(record):
            _drop_partial_record(self._sidecar_fd)
        return written == len(record)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _pack(stamp: Stamp) -> bytes:
    return RECORD.pack(stamp.offset, stamp.time_us << 1 | stamp.stream)


def _drop_partial_record(sidecar_fd: int) -> None:
    """Truncates a partial record; otherwise readers would read all later records at wrong offsets."""
    excess = os.fstat(sidecar_fd).st_size % RECORD.size
    if excess:
        os.ftruncate(sidecar_fd, os.fstat(sidecar_fd).st_size - excess)


def _pause() -> bool:
    time.sleep(0.5)
    return True
