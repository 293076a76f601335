"""Lines of a part of a log, with what several filters need of them: each is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from flow_core.logs.search.raw_block import BlockBytes
from flow_core.logs.search.shown_text import to_shown_line, to_shown_text
from flow_core.logs.shown.characters import drop_invisible
from flow_core.logs.shown.line import ShownLine


class RawLines:
    """The whole lines before `end` in bytes at `offset`. Each can be read alone. The last one may lack its newline."""

    def __init__(self, offset: int, data: BlockBytes, end: int) -> None:
        self.offset = offset
        self.data = data
        self.raw = data.raw if end == len(data.raw) else data.raw[:end]

    @cached_property
    def starts(self) -> list[int]:
        """The offsets of the lines."""
        lines = self.raw.split(b"\n")
        if not lines[-1]:
            lines.pop()
        starts = list(accumulate((len(line) + 1 for line in lines), initial=self.offset))
        starts.pop()
        return starts

    @cached_property
    def texts(self) -> list[str]:
        """The lines as they are shown."""
        if self.data.kinds:
            texts = to_shown_text(self.raw).split("\n")
        else:
            texts = self.raw.decode("ascii").split("\n")
            if b" \n" in self.raw or self.raw.endswith(b" "):
                texts = [text.rstrip(" ") for text in texts]
        return texts[: len(self.starts)]

    def get_text(self, start: int) -> str:
        """Returns the line at this offset as it is shown."""
        first = start - self.offset
        end = self.raw.find(b"\n", first)
        return to_shown_line(self.raw[first : len(self.raw) if end < 0 else end])


class ScreenLines:
    """Lines that a screen showed."""

    def __init__(self, lines: Sequence[ShownLine]) -> None:
        self.starts = [line.offset for line in lines]
        self.texts = [drop_invisible(line.text).rstrip(" ") for line in lines]

    def get_text(self, start: int) -> str:
        """Returns the line at this offset as it is shown."""
        return self.texts[self.starts.index(start)]


LineBlock = RawLines | ScreenLines


class LineBlockFactory:
    """A factory of the blocks whose lines are filtered."""

    def make_raw_block(self, offset: int, data: BlockBytes, end: int) -> LineBlock:
        return RawLines(offset, data, end)

    def make_screen_block(self, lines: Sequence[ShownLine]) -> LineBlock:
        return ScreenLines(lines)
