"""Copies one file of this machine to another path, completely or not at all."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from flow_core.errors import AuthError, ConfigError, NotFound, ProviderError

_PIECE = 4 << 20


async def copy_file(source: Path, target: Path) -> int:
    """Copies a file with its mode, and returns its size.

    Raises NotFound, AuthError, ConfigError if it is no regular file, ProviderError.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    current, copied_bytes = source, 0
    try:
        with await asyncio.to_thread(_open_regular, source) as reader:
            current = target
            with await asyncio.to_thread(_create_private, partial) as writer:
                while piece := await asyncio.to_thread(reader.read, _PIECE):  # can be cancelled between two pieces
                    copied_bytes += await asyncio.to_thread(writer.write, piece)
                os.fchmod(writer.fileno(), stat.S_IMODE(os.fstat(reader.fileno()).st_mode) & 0o777)
        await asyncio.to_thread(os.replace, partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _to_flow_error(current, error) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return copied_bytes


def _open_regular(path: Path) -> BinaryIO:
    """Opens a regular file. A pipe is refused without waiting for its writer."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError(f"{str(path)!r} is not a file; copy single files, or a folder as an archive")
    return open(fd, "rb")


def _create_private(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _to_flow_error(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"there is no {str(path)!r}")
    if isinstance(error, PermissionError):
        return AuthError(f"{str(path)!r} is not open to you")
    return ProviderError(f"{str(path)!r} can't be copied: {(error.strerror or str(error)).lower()}")
