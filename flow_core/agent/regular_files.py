"""Reads files that another user may have replaced: a pipe never blocks, and every read has a limit.

The supervisor of a local task imports this, so it must load fast.
"""

from __future__ import annotations

import errno
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

RECORD_BYTES_MAX = 16 << 20
"""No record of the agent is as large as this."""

_DIGITS_MAX = 19


class NotRegular(OSError):
    """A folder, a pipe, a socket or a device is in the place of a file."""


class TooLarge(OSError):
    """The file is larger than the caller's limit."""


def open_regular_file(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """Returns a descriptor for reading. Opening a pipe or a device this way neither blocks nor changes it.

    Raises NotRegular, which names the kind of the other object, and OSError.
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
    """Returns a binary stream of the file. Raises the errors of `open_regular_file`."""
    return open(open_regular_file(path), "rb")


def read_regular_file(path: Path | str, limit_bytes: int = RECORD_BYTES_MAX) -> bytes:
    """Returns the whole content. Raises NotRegular, TooLarge, OSError."""
    data = read_start(path, limit_bytes + 1)
    if len(data) > limit_bytes:
        raise TooLarge(errno.EFBIG, f"it is larger than {_size(limit_bytes)}", str(path))
    return data


def read_start(path: Path | str, count: int) -> bytes:
    """Returns at most the first `count` bytes. Raises NotRegular, OSError."""
    with open_regular_stream(path) as stream:
        return stream.read(count)


def parse_json(data: bytes | str) -> Any:
    """Parses JSON. Raises ValueError for everything that can't be parsed.

    That includes lists that are nested too deeply, and numbers that break later calculations: Python's parser accepts
    NaN, infinity and integers of a thousand digits.
    """
    import json  # lazy import: most callers that read files don't parse JSON

    try:
        return json.loads(data, parse_constant=_refuse_number, parse_float=_parse_float, parse_int=_parse_int)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_number(text: str) -> Any:
    raise ValueError(f"it holds the number {text[:20]}")


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _parse_int(text: str) -> int:
    return int(text) if len(text) <= _DIGITS_MAX else _refuse_number(text)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} KB"
