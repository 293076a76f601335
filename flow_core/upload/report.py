"""The progress and the result of an upload, and a throttle for progress reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an upload. The totals count files to send or to compare, not the whole folder.

    `path` is the current file, relative to the source.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The effect of an upload.

    `skipped` has one sentence per file that could not be sent; after 1,000 it has a count.
    """

    files_sent: int
    files_unchanged: int
    files_deleted: int
    bytes_sent: int
    duration_s: float
    skipped: tuple[str, ...] = ()


OnProgress = Callable[[Progress], None]


class ProgressThrottle:
    """A throttle that counts files and bytes, and calls `on_progress` at most 20 times a second and once at the end."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._progress = Progress(0, 0, 0, 0)
        self._reported_at = -1.0

    def begin(self, files: int, size: int) -> None:
        self._update(files_total=files, bytes_total=size)

    def moved(self, path: str, size: int) -> None:
        done = self._progress.bytes_done + size
        self._update(path=path, bytes_done=done, bytes_total=max(done, self._progress.bytes_total))

    def finished(self, path: str) -> None:
        self._update(path=path, files_done=self._progress.files_done + 1)

    def end(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self._progress)

    def _update(self, **changes: int | str) -> None:
        self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]
        if self._on_progress is not None and time.monotonic() - self._reported_at >= _PAUSE_S:
            self._reported_at = time.monotonic()
            self._on_progress(self._progress)
