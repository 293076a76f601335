"""Records on disk: JSON that is written completely or not at all.

Several versions of this program use the same records. A new fact gets a new field; a reader ignores unknown fields, and
a writer keeps them. VERSION grows only if a known field changes its meaning.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flow_core.agent.locks import move_aside
from flow_core.agent.regular_files import NotRegular, TooLarge, parse_json, read_regular_file

VERSION = 1
NEWER = "was written by a newer version of flow; update this one"


class MalformedRecord(ValueError):
    """The record is truncated or isn't a record of the agent."""


class UnreadableRecord(MalformedRecord, OSError):
    """The system doesn't allow the user to read the record."""


class NewerRecord(MalformedRecord):
    """A newer version of this program wrote the record. `data` is its content."""

    def __init__(self, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.data = data


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replaces the file atomically. Moves aside anything in its place that isn't a file. Raises OSError.

    `version` in the data takes precedence over VERSION.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({"version": VERSION, **data}, separators=(",", ":")).encode()
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(fd)
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Flushes the entries of a folder to disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> dict[str, Any] | None:
    """Returns the record, or None if there is none.

    Raises MalformedRecord or its subclasses NewerRecord, UnreadableRecord.
    """
    try:
        data = parse_json(read_regular_file(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (NotRegular, TooLarge) as error:
        raise MalformedRecord(f"{path.name} can't be read: {error.strerror}") from error
    except OSError as error:
        raise UnreadableRecord(f"{path.name} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise MalformedRecord(f"{path.name} can't be read: {error}") from error
    record: dict[str, Any] = data if isinstance(data, dict) else {}
    version = record.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise MalformedRecord(f"{path.name} is no record of flow")
    if version > VERSION:
        raise NewerRecord(f"{path.name} {NEWER}", record)
    return record


def read_known(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Returns the record even if a newer version wrote it, with a sentence about that; otherwise with "".

    The caller must check each field, as for any record: a newer version may give it another meaning. Raises
    MalformedRecord.
    """
    try:
        return read_json(path), ""
    except NewerRecord as error:
        return error.data, str(error)


def _replace(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError:
        if not move_aside(target):
            raise
        os.replace(source, target)
