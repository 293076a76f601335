"""Records on disk: JSON written whole or not at all, and locks. Standard library only."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flow_core.agent.regular_files import NotRegular, TooLarge, parse_json, read_regular_file

VERSION = 1


class MalformedRecord(ValueError):
    """A record that is cut off, or isn't ours."""


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replaces the file as one step that a crash can't halve."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({"version": VERSION, **data}, separators=(",", ":")).encode()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> dict[str, Any] | None:
    """The record, or None where there is none. Raises MalformedRecord."""
    try:
        data = parse_json(read_regular_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (NotRegular, TooLarge) as error:
        raise MalformedRecord(f"{path.name} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise MalformedRecord(f"{path.name} can't be read: {error}") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise MalformedRecord(f"{path.name} is of another version")
    return data


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock; waits for it."""
    fd = _open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed, or None when another holds it."""
    fd = _open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
