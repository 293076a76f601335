"""Reads a redrawn block of a log from its beginning, so that the lines of a view are exactly what a terminal shows.

A view opens at once with what the last 256 KiB tell. A block of redraws may be longer: its reading takes seconds for
tens of MiB, so it runs step by step in a thread while the view is already there.
"""

from __future__ import annotations

from bisect import bisect_right

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.shown.entry import Entry, find_exact_entry
from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.shown.stream_bytes import StreamBytes
from flow_core.logs.shown.stretch import Stretch

_PIECES_PER_STEP = 4
_CHECKPOINT_BYTES = 1024 * 1024
_MAX_CHECKPOINTS = 128


class Checkpoints:
    """Exact screens at some offsets of a log, about one per MiB of what was read exactly. Keeps the newest 128."""

    def __init__(self) -> None:
        self._screens: dict[int, LiveScreen] = {}

    def add(self, offset: int, screen: LiveScreen) -> None:
        """Adds a screen that has received everything before `offset`. Ignores one close to another."""
        before = self.find(offset)
        if before is not None and offset - before[0] < _CHECKPOINT_BYTES:
            return
        self._screens[offset] = screen.copy()
        if len(self._screens) > _MAX_CHECKPOINTS:
            del self._screens[next(iter(self._screens))]

    def find(self, offset: int) -> tuple[int, LiveScreen] | None:
        """Returns the last checkpoint at or before an offset."""
        offsets = sorted(self._screens)
        number = bisect_right(offsets, offset)
        return (offsets[number - 1], self._screens[offsets[number - 1]]) if number else None

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
            self._checkpoints.add(self.stretch.end, self.stretch.screen)
        self.stretch.forget_before(self._offset)
        return True

    def close(self) -> None:
        self.source.close()

    def _find_entry(self) -> Entry:
        entry = find_exact_entry(self.source, self._offset)
        checkpoint = self._checkpoints.find(self._offset)
        if checkpoint is None or checkpoint[0] <= entry.start:
            return entry
        offset, screen = checkpoint
        return Entry(screen.copy(), offset, screen.stack.offsets[0], is_exact=True)
