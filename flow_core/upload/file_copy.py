"""Copies one file into a folder of this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from flow_core.upload.destination import WrittenFile
from flow_core.upload.source import PIECES_PER_RUN, SourceReader

PART = ".flow-sync.part"


class FileCopy:
    """A copy of one file in progress, some megabytes per call.

    Doesn't fsync: after a crash of the machine the file may be too short; the next upload notices that by its size.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._reader: SourceReader | None = None
        self._folder = -1
        self._out = -1
        self.copied_bytes = 0
        self.is_over = False

    def copy_more(self, folder: int, name: str) -> WrittenFile | None:
        """Copies the next pieces. Returns None while there is more to copy."""
        if self._reader is None:
            self._reader = SourceReader(self._source)
            self._folder = os.dup(folder)
            self._out = create_part_file(folder)
        before = self._reader.size
        for _ in range(PIECES_PER_RUN):
            piece = self._reader.read()
            self.copied_bytes = self._reader.size - before
            if not piece:
                return self._finish(self._reader, name)
            _write_all(self._out, piece)
        return None

    def _finish(self, reader: SourceReader, name: str) -> WrittenFile:
        os.fchmod(self._out, reader.mode)
        os.utime(self._out, ns=(reader.mtime_ns, reader.mtime_ns))
        os.rename(PART, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._close()
        return WrittenFile(reader.size, reader.mtime_ns, reader.mode, reader.digest)

    def discard(self) -> None:
        """Removes the partial file."""
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


def create_part_file(folder: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(PART, flags, 0o600, dir_fd=folder)
    except FileExistsError:
        os.unlink(PART, dir_fd=folder)  # left by a killed upload
        return os.open(PART, flags, 0o600, dir_fd=folder)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
