"""One file from one place of this machine to another, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from flow_core.errors import AuthError, ConfigError, NotFound, ProviderError

_PIECE = 4 << 20


async def copy_file(source: Path, target: Path) -> None:
    """With its mode. Raises NotFound, AuthError, ConfigError for what is no regular file, ProviderError."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    here = source
    try:
        with await asyncio.to_thread(_open_regular, source) as read:
            here = target
            with await asyncio.to_thread(_create_private, part) as written:
                while piece := await asyncio.to_thread(read.read, _PIECE):  # between two of them it can be cancelled
                    await asyncio.to_thread(written.write, piece)
                os.fchmod(written.fileno(), stat.S_IMODE(os.fstat(read.fileno()).st_mode) & 0o777)
        await asyncio.to_thread(os.replace, part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _sentence(here, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open_regular(path: Path) -> BinaryIO:
    """Without waiting for whoever writes a pipe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ConfigError(f"{str(path)!r} is no file; copy single files, or a folder as an archive")
    return open(fd, "rb")


def _create_private(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _sentence(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(f"there is no {str(path)!r}")
    if isinstance(error, PermissionError):
        return AuthError(f"{str(path)!r} is not open to you")
    return ProviderError(f"{str(path)!r} can't be copied: {(error.strerror or str(error)).lower()}")
