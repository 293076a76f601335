"""Records on disk: JSON written whole or not at all. Standard library only.

Several versions of this program use the same records. A new fact is a new field; a reader ignores fields that it
doesn't know, and a writer keeps them. VERSION grows only when a known field changes its meaning.
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
    """A record that is cut off, or isn't ours."""


class UnreadableRecord(MalformedRecord, OSError):
    """A record that the system doesn't let us read."""


class NewerRecord(MalformedRecord):
    """A record that a newer version of this program wrote. `data` is what it holds."""

    def __init__(self, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.data = data


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replaces the file as one step that a crash can't halve. A folder in its place is moved aside.

    Data that holds a version keeps it.
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
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> dict[str, Any] | None:
    """The record, or None where there is none. Raises MalformedRecord: of these, NewerRecord and UnreadableRecord."""
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
    """The record even of a newer version, and then a sentence that says so; else "". Raises MalformedRecord.

    Whoever uses it checks each field, as with any record: of a newer version it may mean something else.
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
