"""What an upload tells while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload is. Totals are of what is sent or looked into, not of the whole folder.

    `path` is the file under way, relative to the source.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What an upload did. `skipped` says of each file that could not be sent why, in words; after 1,000 how many."""

    files_sent: int
    files_unchanged: int
    files_deleted: int
    bytes_sent: int
    duration_s: float
    skipped: tuple[str, ...] = ()


OnProgress = Callable[[Progress], None]
