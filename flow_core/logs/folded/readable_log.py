"""The lines of a log with those of JSON, logfmt and dicts in columns, or unfolded over several rows."""

from __future__ import annotations

from collections import OrderedDict

from flow_core.logs.analysis.structured import parse_structured
from flow_core.logs.analysis.structured_text import render_columns, render_unfolded
from flow_core.logs.shown.line import ShownLine
from flow_core.logs.shown.log_lines import LogLines
from flow_core.logs.text_style import PLAIN

_MAX_CACHED = 1024
_MAX_CACHED_CHARS = 4 << 20


class ReadableLog:
    """A view of `lines`, which it owns. A line without fields stays as it is.

    A line of fields is shown as "time LEVEL message key=value". Unfolded, it is followed by a line for each field. The
    offsets of these lines are bytes of the original line, so that each position stays one in the log.
    """

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines
        self._unfolded: dict[int, int] = {}
        """The end of each unfolded line by its offset."""
        self._columns: OrderedDict[tuple[int, str], str | None] = OrderedDict()
        self._chars = 0
        self._size = 0

    @property
    def size(self) -> int:
        """The size of the log when it was last checked."""
        return self._lines.size

    def refresh(self) -> bool:
        """Checks the log again; returns whether it has changed."""
        has_changed = self._lines.refresh()
        if self._lines.size < self._size:
            self._unfolded.clear()
        self._size = self._lines.size
        return has_changed

    def close(self) -> None:
        """Releases the log. Calling it again is safe."""
        self._lines.close()
        self._columns.clear()

    def line_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains `offset`; None at the end."""
        lines = self.lines_from(offset, 1)
        return lines[0] if lines else None

    def lines_from(self, offset: int, count: int) -> list[ShownLine]:
        """Returns at most `count` lines in order, the first of them the line that contains `offset`."""
        lines = self._lines.lines_from(self._find_original(offset), count)
        rows = [row for line in lines for row in self._to_rows(line)]
        first = next((number for number, row in enumerate(rows) if row.end > offset), len(rows))
        return rows[first : first + count]

    def lines_before(self, offset: int, count: int) -> list[ShownLine]:
        """Returns the last `count` lines that begin before `offset`, in order. There may be fewer."""
        start = self._find_original(offset)
        own = self._lines.lines_from(start, 1) if start < offset and start in self._unfolded else []
        lines = self._lines.lines_before(start if own else offset, count) + own
        rows = [row for line in lines for row in self._to_rows(line) if row.offset < offset]
        return rows[max(0, len(rows) - count) :]

    def toggle(self, offset: int) -> bool:
        """Unfolds the line that contains `offset`, or folds it again. Returns whether it has fields."""
        original = self._find_original(offset)
        if original in self._unfolded:
            del self._unfolded[original]
            return True
        line = self._lines.line_at(offset)
        if line is None or self._render(line) is None:
            return False
        self._unfolded[line.offset] = line.end
        return True

    def original_at(self, offset: int) -> ShownLine | None:
        """Returns the line that contains `offset` as the log shows it."""
        return self._lines.line_at(self._find_original(offset))

    def _find_original(self, offset: int) -> int:
        """Returns the offset of the unfolded line that contains `offset`; otherwise `offset`."""
        return next((start for start, end in self._unfolded.items() if start <= offset < end), offset)

    def _to_rows(self, line: ShownLine) -> list[ShownLine]:
        text = self._render(line)
        if text is None:
            return [line]
        texts = [text]
        if line.offset in self._unfolded and (parsed := parse_structured(line.text)) is not None:
            texts += [f"  {one}" for one in render_unfolded(parsed)]
            texts = texts[: max(1, line.end - line.offset)]
        rows = [
            line._replace(offset=line.offset + number, end=line.offset + number + 1, text=one, runs=((one, PLAIN),))
            for number, one in enumerate(texts)
        ]
        rows[-1] = rows[-1]._replace(end=line.end)
        return rows

    def _render(self, line: ShownLine) -> str | None:
        """Returns the line in columns; None if it has no fields."""
        key = (line.offset, line.text)
        if key in self._columns:
            self._columns.move_to_end(key)
            return self._columns[key]
        parsed = parse_structured(line.text)
        text = self._columns[key] = None if parsed is None else render_columns(parsed)
        self._chars += len(line.text)
        while len(self._columns) > _MAX_CACHED or self._chars > _MAX_CACHED_CHARS:
            self._chars -= len(self._columns.popitem(last=False)[0][1])
        return text
