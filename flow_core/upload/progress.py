"""How far an upload is, told a bounded number of times a second."""

from __future__ import annotations

import time
from dataclasses import replace

from flow_core.upload.report import OnProgress, Progress

_PAUSE_S = 0.05


class Pace:
    """Counts, and tells of it at most 20 times a second and once at the end."""

    def __init__(self, tell: OnProgress | None) -> None:
        self._tell = tell
        self._now = Progress(0, 0, 0, 0)
        self._told_at = -1.0

    def begin(self, files: int, size: int) -> None:
        self._step(files_total=files, bytes_total=size)

    def moved(self, path: str, size: int) -> None:
        done = self._now.bytes_done + size
        self._step(path=path, bytes_done=done, bytes_total=max(done, self._now.bytes_total))

    def finished(self, path: str) -> None:
        self._step(path=path, files_done=self._now.files_done + 1)

    def end(self) -> None:
        if self._tell is not None:
            self._tell(self._now)

    def _step(self, **changes: int | str) -> None:
        self._now = replace(self._now, **changes)  # type: ignore[arg-type]
        if self._tell is not None and time.monotonic() - self._told_at >= _PAUSE_S:
            self._told_at = time.monotonic()
            self._tell(self._now)
