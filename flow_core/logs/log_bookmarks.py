"""Bookmarks of logs, in one file of the state directory."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_core.agent.private_folders import make_private_folder
from flow_core.agent.regular_files import parse_json, read_regular_file
from flow_core.config import state_dir
from flow_core.errors import FlowError

MAX_BOOKMARKS = 1000
"""Most bookmarks of all logs together. A new one replaces the oldest."""
MAX_NAME = 80
_FILE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class LogBookmark:
    """A marked line: `offset` is its first byte. `text` is the beginning of the line."""

    offset: int
    name: str
    text: str


class BookmarkStore:
    """The bookmarks of all logs. A log is named by its key. All calls do blocking I/O and raise FlowError.

    Several programs may change the file at once. A program that is killed leaves the old file or the new one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def load(self, key: str) -> list[LogBookmark]:
        """Returns the bookmarks of a log, in the order of the log."""
        rows = self._read_rows()
        return sorted((row[1] for row in rows if row[0] == key), key=lambda bookmark: bookmark.offset)

    def add(self, key: str, bookmark: LogBookmark) -> None:
        """Adds a bookmark; replaces the one at the same line."""
        kept = LogBookmark(bookmark.offset, bookmark.name[:MAX_NAME], bookmark.text[:MAX_NAME])
        with self._edit_rows() as rows:
            rows[:] = [row for row in rows if not _is_at(row, key, bookmark.offset)]
            rows.append((key, kept))
            del rows[:-MAX_BOOKMARKS]

    def remove(self, key: str, offset: int) -> bool:
        """Removes the bookmark at this line. Returns whether there was one."""
        with self._edit_rows() as rows:
            before = len(rows)
            rows[:] = [row for row in rows if not _is_at(row, key, offset)]
            return len(rows) < before

    @property
    def _path(self) -> Path:
        return (self._folder or state_dir()) / "log-bookmarks.json"

    @contextmanager
    def _edit_rows(self) -> Iterator[list[tuple[str, LogBookmark]]]:
        """Yields the rows for changes, and writes them if no error was raised. Locks the file meanwhile."""
        try:
            make_private_folder(self._path.parent)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                rows = self._read_rows()
                yield rows
                self._write_rows(rows)
            finally:
                os.close(lock)
        except OSError as error:
            raise FlowError(f"the bookmarks could not be saved: {error.strerror or error}") from error

    def _read_rows(self) -> list[tuple[str, LogBookmark]]:
        try:
            data = parse_json(read_regular_file(self._path, _FILE_LIMIT))
            return [_parse_row(row) for row in data["bookmarks"]]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FlowError(f"the bookmarks could not be read: {error.strerror or error}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise FlowError(f"the bookmarks could not be read: {self._path.name} is damaged; remove it") from error

    def _write_rows(self, rows: list[tuple[str, LogBookmark]]) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        table = [[key, bookmark.offset, bookmark.name, bookmark.text] for key, bookmark in rows]
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(json.dumps({"version": 1, "bookmarks": table}).encode())
                file.flush()
                os.fsync(fd)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _is_at(row: tuple[str, LogBookmark], key: str, offset: int) -> bool:
    return row[0] == key and row[1].offset == offset


def _parse_row(row: Any) -> tuple[str, LogBookmark]:
    key, offset, name, text = row
    if not (isinstance(key, str) and isinstance(offset, int) and isinstance(name, str) and isinstance(text, str)):
        raise TypeError("not a bookmark")
    return key, LogBookmark(offset, name, text)
