"""Reads files that somebody else may have put there: a pipe never blocks, nothing is read without a limit.

Standard library only: the local supervisor imports this.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

RECORD_BYTES_MAX = 16 << 20
"""More than any record of ours holds."""

_DIGITS_MAX = 19


class NotRegular(OSError):
    """A folder, a pipe, a socket or a device in place of a file."""


class TooLarge(OSError):
    """A file that holds more than the caller reads."""


def open_regular_file(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """A descriptor for reading. Opening a pipe or a device this way neither blocks nor changes it.

    Raises NotRegular, which says what is there instead, and OSError.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(errno.EINVAL, f"it is {_kind(mode)}, not a file", str(path))
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_regular_stream(path: Path | str) -> BinaryIO:
    """The same as a stream of bytes."""
    return open(open_regular_file(path), "rb")


def read_regular_file(path: Path | str, limit_bytes: int = RECORD_BYTES_MAX) -> bytes:
    """All of it. Raises NotRegular, TooLarge, OSError."""
    data = read_start(path, limit_bytes + 1)
    if len(data) > limit_bytes:
        raise TooLarge(errno.EFBIG, f"it is larger than {_size(limit_bytes)}", str(path))
    return data


def read_start(path: Path | str, count: int) -> bytes:
    """At most the first `count` bytes. Raises NotRegular, OSError."""
    with open_regular_stream(path) as stream:
        return stream.read(count)


def parse_json(data: bytes | str) -> Any:
    """Raises ValueError for whatever can't be parsed.

    That includes lists that are nested too deeply, and numbers that no calculation can go on with: JSON as Python
    reads it knows NaN, infinity and whole numbers of a thousand digits.
    """
    import json  # deferred: most readers of files need none of it

    try:
        return json.loads(data, parse_constant=_refuse_number, parse_float=_finite, parse_int=_bounded)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_number(text: str) -> Any:
    raise ValueError(f"it holds the number {text[:20]}")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _bounded(text: str) -> int:
    return int(text) if len(text) <= _DIGITS_MAX else _refuse_number(text)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} KB"
