"""Where a spool on this machine stands in the far file that it is filled from; survives the end of whoever fills it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from pathlib import Path
from typing import NamedTuple, Self

from flow_core.errors import ProviderError
from flow_core.logs.address import LogAddress
from flow_core.logs.spool import SpoolFiles

_VERSION = 1
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]{0,80}")


class SpoolPaths(NamedTuple):
    """The files of one log: the spool, the position in the far file, and the lock of whoever fills it."""

    files: SpoolFiles
    position: Path
    lock: Path

    @classmethod
    def at(cls, folder: Path, address: LogAddress) -> Self:
        home = folder / _name(address.context) / _name(address.task_id)
        stem = f"{address.attempt}-{address.rank}"
        return cls(SpoolFiles.at(home / stem), home / f"{stem}.json", home / f"{stem}.lock")


class Position(NamedTuple):
    """The spool's bytes from `base` on are those of the far file `inode` from its start: their count is the offset.

    `words` are ours and end at `base`; a spool that is shorter still lacks a part of them. `inode` is None until
    something was read, and after the far file was lost.
    """

    inode: int | None = None
    base: int = 0
    words: str = ""
    is_complete: bool = False


def read_position(path: Path) -> Position | None:
    """None where nothing was ever read, or nothing that we wrote stands there. Raises ProviderError."""
    try:
        data = json.loads(path.read_bytes())
        if data.pop("version") == _VERSION:
            return Position(**data)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, KeyError):
        return None  # then the size of the spool still says how far it came
    raise ProviderError(f"the log in {path.parent} was fetched by another version of flow; update this one")


def write_position(path: Path, position: Position) -> None:
    """Replaces it in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600)) as file:
        file.write(json.dumps({"version": _VERSION, **position._asdict()}).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or None while another holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _name(text: str) -> str:
    """Safe in a path, and no two the same, also where the file system tells no capitals from small letters."""
    if _PLAIN.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_-]", "-", text.lower())[:40]
    return f"{plain}.{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
