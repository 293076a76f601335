"""A file or link of the source folder, and a reader for its content."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import time
from pathlib import Path
from typing import NamedTuple

from flow_core.agent.regular_files import NotRegular, open_regular_file
from flow_core.errors import ConfigError

_PIECE = 1 << 20
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}  # ENXIO: a pipe or socket without a peer
_RECENT_NS = 50_000_000
PIECES_PER_RUN = 8


class SourceEntry(NamedTuple):
    """A file or link. `path` is relative, with slashes. `mode` has the nine permission bits.

    `target` is the target of a link, None for a file.
    """

    path: str
    size: int
    mtime_ns: int
    mode: int
    target: str | None = None


class SourceGone(Exception):
    """The file to send no longer exists, or is no regular file any more."""


class SourceReader:
    """A reader of one file in pieces, with its digest. Blocking."""

    def __init__(self, path: Path) -> None:
        """Opens the file. Raises SourceGone, ConfigError."""
        try:
            fd = open_regular_file(path, os.O_NOFOLLOW)
        except NotRegular as error:
            raise SourceGone from error
        except OSError as error:
            if error.errno in _GONE:
                raise SourceGone from error
            raise unreadable_error(path, error) from error
        self._path = path
        self._file = io.FileIO(fd)
        self._sum = hashlib.blake2b(digest_size=16)
        found = os.fstat(fd)
        self.size = 0
        self.mode = found.st_mode & 0o777
        self.mtime_ns = mtime_to_record(found.st_mtime_ns)

    def read(self) -> bytes:
        """Returns the next piece, or b"" at the end. Raises ConfigError."""
        try:
            piece = self._file.read(_PIECE)
        except OSError as error:
            raise unreadable_error(self._path, error) from error
        self._sum.update(piece)
        self.size += len(piece)
        return piece

    def read_ahead(self) -> bool:
        """Reads a few megabytes into the digest only; returns whether the file has ended."""
        return any(not self.read() for _ in range(PIECES_PER_RUN))

    @property
    def digest(self) -> str:
        """The BLAKE2b digest (16 bytes, as hex) of the bytes that were read."""
        return self._sum.hexdigest()

    def close(self) -> None:
        self._file.close()


def list_parents(path: str) -> list[str]:
    """Returns the folders above a relative path, the topmost first, without the root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def mtime_to_record(mtime_ns: int) -> int:
    """Returns the mtime to record. Changes a very recent one by 1 ns, so that the next upload compares the content.

    File timestamps tick in milliseconds: the file may change again without a new mtime.
    """
    return mtime_ns - 1 if time.time_ns() - mtime_ns < _RECENT_NS else mtime_ns


def unreadable_error(path: Path, error: OSError) -> ConfigError:
    why = (error.strerror or str(error)).lower()
    return ConfigError(
        f"{str(path)!r} can't be read: {why}; make it readable, or name it in .flowignore", field="source_dir"
    )
