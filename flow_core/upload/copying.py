"""One file on its way into a folder of this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from flow_core.upload.destination import Arrived
from flow_core.upload.entry import PIECES_AT_ONCE, SourceReader

PART = ".flow-sync.part"


class Copy:
    """Copies some megabytes at a time.

    It isn't synced: a crash of the machine may leave it short, which the next upload sees by its size.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._reader: SourceReader | None = None
        self._folder = -1
        self._out = -1
        self.fresh = 0
        self.is_over = False

    def go_on(self, folder: int, name: str) -> Arrived | None:
        """None while there is more."""
        if self._reader is None:
            self._reader = SourceReader(self._source)
            self._folder = os.dup(folder)
            self._out = create(folder)
        before = self._reader.size
        for _ in range(PIECES_AT_ONCE):
            piece = self._reader.read()
            self.fresh = self._reader.size - before
            if not piece:
                return self._finish(self._reader, name)
            _write_all(self._out, piece)
        return None

    def _finish(self, reader: SourceReader, name: str) -> Arrived:
        os.fchmod(self._out, reader.mode)
        os.utime(self._out, ns=(reader.mtime_ns, reader.mtime_ns))
        os.rename(PART, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._close()
        return Arrived(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    def drop(self) -> None:
        """Takes away what isn't whole."""
        if self._out != -1:
            with suppress(FileNotFoundError):
                os.unlink(PART, dir_fd=self._folder)
        self._close()

    def _close(self) -> None:
        self.is_over = True
        if self._reader is not None:
            self._reader.close()
        for fd in (self._out, self._folder):
            if fd != -1:
                os.close(fd)


def create(folder: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(PART, flags, 0o600, dir_fd=folder)
    except FileExistsError:
        os.unlink(PART, dir_fd=folder)  # an upload was killed here
        return os.open(PART, flags, 0o600, dir_fd=folder)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
