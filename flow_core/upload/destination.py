"""What an upload needs of the place it goes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from flow_core.upload.entry import Entry


class Known(NamedTuple):
    """What stands at a path of the destination. `target` is where a link leads."""

    kind: Literal["file", "link", "other"]
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    target: str | None = None


class Arrived(NamedTuple):
    """A file as it was written."""

    size: int
    mtime_ns: int
    mode: int
    digest: str


class Blocked(Exception):
    """Something that isn't ours stands where a folder or a file has to be: a link, another kind of file."""


class Destination(Protocol):
    """A folder somewhere. Paths are relative, with slashes; no link at the destination is ever followed.

    `title` is the place as people know it. `lanes` is how many files may be on the way at once. `time_step_ns` is how
    finely the place keeps times. `place` is its (device, inode) when it is on this machine, known once it is open.
    Every method ends within the place's own deadline and raises nothing but FlowError and Blocked.
    """

    title: str
    lanes: int
    time_step_ns: int
    place: tuple[int, int] | None

    def deadline(self, timeout_s: float) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """For an upload to this place; logging in to its machine doesn't count."""

    async def open(self) -> Destination:
        """Makes the folder where it is missing and keeps other uploads out; what to use from then on.

        Raises Conflict (one is under way).
        """

    async def close(self) -> None:
        """Lets go. Twice is safe."""

    async def known(self, paths: Sequence[str]) -> list[Known | None]:
        """What stands at these paths, in their order; None where nothing does, or where a link leads there."""

    async def make_folders(self, folder: str) -> list[str]:
        """Makes a folder and what is missing above it; those it made, the topmost first. Raises Blocked."""

    async def put(self, source: Path, entry: Entry, on_bytes: Callable[[int], None]) -> Arrived:
        """Writes one file whole or not at all, with its mode and time; its folder stands. Says each piece's size.

        Raises Blocked, and Vanished where the source is gone.
        """

    async def link(self, path: str, target: str) -> None:
        """Makes a symbolic link, in one step where one stood. Raises Blocked."""

    async def touch(self, path: str, mode: int, mtime_ns: int) -> None:
        """Sets the mode and time of a file that stands there. Raises Blocked where none does."""

    async def digest(self, path: str) -> str | None:
        """The BLAKE2b sum (16 bytes, as hex) of a file; None where that would cost as much as sending it."""

    async def delete(self, path: str) -> None:
        """Removes a file or link. Twice is safe."""

    async def delete_folder(self, folder: str) -> bool:
        """Removes a folder if it is empty; False when it isn't, or is none."""

    async def read_manifest(self) -> bytes | None:
        """What `write_manifest` last wrote, None where there is nothing or no file."""

    async def write_manifest(self, data: bytes) -> None:
        """Replaces it, durably and in one step."""
