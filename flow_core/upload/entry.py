"""One file or link of the source, and reading it."""

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
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}  # a pipe or socket without its other end is the last
_WARM_NS = 50_000_000
PIECES_AT_ONCE = 8


class Entry(NamedTuple):
    """`path` is relative, with slashes; `target` is where a link leads, None for a file. `mode` is its nine bits."""

    path: str
    size: int
    mtime_ns: int
    mode: int
    target: str | None = None


class Vanished(Exception):
    """What was to be sent is gone, or is no file any more."""


class SourceReader:
    """Reads one file in pieces and sums it up on the way. Blocking."""

    def __init__(self, path: Path) -> None:
        """Raises Vanished, ConfigError."""
        try:
            fd = open_regular_file(path, os.O_NOFOLLOW)
        except NotRegular as error:
            raise Vanished from error
        except OSError as error:
            if error.errno in _GONE:
                raise Vanished from error
            raise unreadable(path, error) from error
        self._path = path
        self._file = io.FileIO(fd)
        self._sum = hashlib.blake2b(digest_size=16)
        found = os.fstat(fd)
        self.size = 0
        self.mode = found.st_mode & 0o777
        self.mtime_ns = settled(found.st_mtime_ns)

    def read(self) -> bytes:
        """The next piece, b"" at the end. Raises ConfigError."""
        try:
            piece = self._file.read(_PIECE)
        except OSError as error:
            raise unreadable(self._path, error) from error
        self._sum.update(piece)
        self.size += len(piece)
        return piece

    def skim(self) -> bool:
        """Reads on without keeping it; True once the end is reached."""
        return any(not self.read() for _ in range(PIECES_AT_ONCE))

    @property
    def digest(self) -> str:
        """Of what was read."""
        return self._sum.hexdigest()

    def close(self) -> None:
        self._file.close()


def parents(path: str) -> list[str]:
    """The folders above a path, the topmost first, the top itself left out."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def settled(mtime_ns: int) -> int:
    """The time to keep for a file: one off when it changed this moment, so that its content is compared next time.

    Clocks of files tick in milliseconds: it may change again and show the same time.
    """
    return mtime_ns - 1 if time.time_ns() - mtime_ns < _WARM_NS else mtime_ns


def unreadable(path: Path, error: OSError) -> ConfigError:
    why = (error.strerror or str(error)).lower()
    return ConfigError(
        f"{str(path)!r} can't be read: {why}; make it readable, or name it in .flowignore", field="source_dir"
    )
