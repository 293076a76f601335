"""A spool: the raw bytes of a log, and a sidecar that says when and on which stream they came.

`NAME.log` holds the bytes as they were written, nothing added. `NAME.idx` holds 16-byte records, each
meaning "from this offset on": offset (uint64), then microseconds since the epoch shifted left by one,
with the lowest bit set for stderr (uint64), little-endian. A record cut short by a crash is ignored.
Offsets and times never go down. A record is appended before its bytes, so whoever looks at the size of
the log first and at the sidecar second knows the stream of every byte up to that size. A writer that ends
between the two leaves a record without bytes; the next writer's record of the same offset replaces it.

A log that a task writes itself has one stream, and its records tell when somebody saw it grow: they may come
after their bytes.

Standard library only, and no dataclasses: the local supervisor writes through this and must start fast.
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
_SAME_MOMENT_US = 1_000
_FULL = (errno.ENOSPC, errno.EDQUOT)


class SpoolFiles(NamedTuple):
    """Where the two files of a spool lie. Either may be missing until the first byte came."""

    log: Path
    sidecar: Path

    @classmethod
    def at(cls, stem: Path) -> SpoolFiles:
        return cls(stem.with_name(stem.name + ".log"), stem.with_name(stem.name + ".idx"))


class Stamp(NamedTuple):
    """From `offset` on, bytes are of `stream` and were read at `time_us` (microseconds since the epoch)."""

    offset: int
    stream: int
    time_us: int


class SpoolWriter:
    """Appends to a spool. One writer a spool; `now_us` must never go back.

    `wait_for_room` is called while the disk is full. It returns after a while, with False to give up: then the rest of
    this output, and all that follows, is dropped.
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
        """Bytes written so far: where the next ones will stand."""
        return self._offset

    def append(self, stream: int, data: bytes) -> None:
        """Writes all of `data`; waits while the disk is full rather than losing any of it."""
        stamp = Stamp(self._offset, stream, self._now_us())
        if stamp.stream != self._last.stream or stamp.time_us - self._last.time_us >= _SAME_MOMENT_US:
            self._write(self._sidecar_fd, _packed(stamp))
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
                if error.errno not in _FULL:
                    raise
                self._has_given_up = not self._wait_for_room()


class SidecarWriter:
    """Keeps the sidecar of a log that somebody else appends to, as stdout; `now_us` must never go back.

    What has come by the time of a `note` counts as having come then.
    """

    def __init__(self, files: SpoolFiles, now_us: Callable[[], int]) -> None:
        self._log_fd = _open(files.log)
        self._sidecar_fd = _open(files.sidecar)
        self._now_us = now_us
        self._offset = os.fstat(self._log_fd).st_size
        _drop_partial_record(self._sidecar_fd)
        self._write()

    def fileno(self) -> int:
        """Of the log."""
        return self._log_fd

    def note(self) -> bool:
        """True when the log has grown since the last time. On a full disk it tries again the next time."""
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
        record = _packed(Stamp(self._offset, STDOUT, self._now_us()))
        try:
            written = os.write(self._sidecar_fd, record)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return False
        if written < len(record):
            _drop_partial_record(self._sidecar_fd)
        return written == len(record)


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _packed(stamp: Stamp) -> bytes:
    return RECORD.pack(stamp.offset, stamp.time_us << 1 | stamp.stream)


def _drop_partial_record(sidecar_fd: int) -> None:
    """Otherwise every record that follows would be read at the wrong place."""
    excess = os.fstat(sidecar_fd).st_size % RECORD.size
    if excess:
        os.ftruncate(sidecar_fd, os.fstat(sidecar_fd).st_size - excess)


def _pause() -> bool:
    time.sleep(0.5)
    return True
