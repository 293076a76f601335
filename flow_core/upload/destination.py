"""The interface of an upload destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from flow_core.upload.source import SourceEntry


class DestinationEntry(NamedTuple):
    """The file, folder or link at a path of the destination. `target` is the target of a link."""

    kind: Literal["file", "link", "other"]
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    target: str | None = None


class WrittenFile(NamedTuple):
    """The properties of a file that was written."""

    size: int
    mtime_ns: int
    mode: int
    digest: str


class DestinationConflict(Exception):
    """An object of another kind, such as a link, exists at the path of a folder or a file."""


class UploadDestination(Protocol):
    """A folder to upload into. Paths are relative, with slashes. No method follows a link at the destination.

    `title` is the name to show to users. `lanes` is the number of files to send in parallel. `time_step_ns` is the
    resolution of its file timestamps. `device_and_inode` identifies a folder on this machine once it is open; otherwise
    it is None.
    Every method ends within the destination's own deadline and raises only FlowError and DestinationConflict.
    """

    title: str
    lanes: int
    time_step_ns: int
    device_and_inode: tuple[int, int] | None

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Returns a timeout for one upload. It pauses while the machine asks the user to log in."""

    async def open(self) -> UploadDestination:
        """Creates the folder if missing and locks it against other uploads. Returns the object to use from now on.

        Raises Conflict if another upload holds the lock.
        """

    async def close(self) -> None:
        """Releases the lock. Calling it again is safe."""

    async def stat_paths(self, paths: Sequence[str]) -> list[DestinationEntry | None]:
        """Returns the entries at the paths, in their order. None: nothing exists, or a parent is a link."""

    async def make_folders(self, folder: str) -> list[str]:
        """Creates a folder and its missing parents. Returns the created ones, the topmost first.

        Raises DestinationConflict.
        """

    async def put(self, source: Path, entry: SourceEntry, on_bytes: Callable[[int], None]) -> WrittenFile:
        """Writes one file atomically, with its mode and mtime, into an existing folder. Reports each piece's size.

        Raises DestinationConflict and SourceGone.
        """

    async def link(self, path: str, target: str) -> None:
        """Creates a symbolic link, or replaces one atomically. Raises DestinationConflict."""

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        """Sets the mode and mtime of an existing file. Raises DestinationConflict if there is none."""

    async def digest(self, path: str) -> str | None:
        """Returns the BLAKE2b digest (16 bytes, as hex) of a file; None if that costs as much as sending it."""

    async def delete(self, path: str) -> None:
        """Removes a file or link. Calling it again is safe."""

    async def delete_folder(self, folder: str) -> bool:
        """Removes an empty folder. Returns False if it isn't empty or isn't a folder."""

    async def read_manifest(self) -> bytes | None:
        """Returns the data that `write_manifest` wrote last; None if there is no regular file."""

    async def write_manifest(self, data: bytes) -> None:
        """Replaces the manifest atomically and durably."""
