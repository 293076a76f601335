"""Reads a redrawn block of a log from its beginning, so that the lines of a view are exactly what a terminal shows.

A view opens at once with what the last 256 KiB tell. A block of redraws may be longer: its reading takes seconds for
tens of MiB, so it runs step by step in a thread while the view is already there.
"""

from __future__ import annotations

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.shown.entry import Entry, find_exact_entry
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.stream_bytes import StreamBytes
from flow_core.logs.shown.stretch import Stretch

_PIECES_PER_STEP = 4
_CHECKPOINT_BYTES = 256 * 1024
_MAX_CHECKPOINTS = 256


class Checkpoints:
    """Exact screens at some offsets of a log, about four per MiB of what was read exactly. Keeps the newest 256."""

    def __init__(self) -> None:
        self._screens: dict[int, tuple[LiveScreen, int]] = {}
        """By offset: a screen, and the offset of the first line that it has."""

    def add(self, stretch: Stretch) -> None:
        """Adds the screen at the end of a stretch. Ignores one close to another."""
        offset = stretch.end
        if any(abs(offset - other) < _CHECKPOINT_BYTES for other in self._screens.copy()):
            return
        self._screens[offset] = (stretch.screen.copy(), stretch.first_line)
        if len(self._screens) > _MAX_CHECKPOINTS:
            del self._screens[next(iter(self._screens))]

    def find(self, offset: int) -> Entry | None:
        """Returns an entry at the last checkpoint at or before an offset; None if there is none."""
        screens = self._screens.copy()  # a thread may add one
        start = max((other for other in screens if other <= offset), default=None)
        if start is None:
            return None
        original, first_line = screens[start]
        screen = original.copy()
        valid_from = max(first_line, screen.stack.offsets[0])
        return Entry(screen, start, valid_from, is_exact=True, first_line=first_line)

    def clear(self) -> None:
        self._screens.clear()


class ExactReader:
    """One exact reading of the lines from `offset` to `until`. The owner must close it; `step` may run in a thread."""

    def __init__(
        self, files: SpoolFiles, stream: int | None, offset: int, until: int, checkpoints: Checkpoints
    ) -> None:
        self.source = StreamBytes(files, stream)
        self.source.refresh()
        self._offset = offset
        self._until = until
        self._checkpoints = checkpoints
        self.stretch: Stretch | None = None
        """The stretch with the lines, once the beginning of the block is found."""

    def step(self) -> bool:
        """Reads a few hundred KiB more. Returns whether there is more to read."""
        if self.stretch is None:
            self.stretch = Stretch(self.source, self._find_entry())
            return True
        for _ in range(_PIECES_PER_STEP):
            if self.stretch.is_at_end() or self.stretch.is_final_until(self._until):
                return False
            self.stretch.advance()
            self._checkpoints.add(self.stretch)
        self.stretch.forget_before(self._offset)
        return True

    def close(self) -> None:
        self.source.close()

    def _find_entry(self) -> Entry:
        entry = find_exact_entry(self.source, self._offset)
        checkpoint = self._checkpoints.find(self._offset)
        return checkpoint if checkpoint is not None and checkpoint.start > entry.start else entry
