"""The rows of a log in view, drawn. Keeps what it drew last, so a new line costs one line."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from flow_core.agent.spool import STDERR, SpoolFiles
from flow_core.logs.reader import LogLine
from flow_core.logs.sidecar import select_streams
from flow_tui.widgets.log_finder import LogFinder, Spans
from flow_tui.widgets.log_rows import Format, LogText, Palette, Row, decode, rows_of
from flow_tui.widgets.log_window import LogWindow

_KEPT = 2048

_TextKey = tuple[int, int, int]
_RowKey = tuple[_TextKey, bool, Spans]


@dataclass(frozen=True, slots=True)
class Frame:
    """What one look at a log is drawn into: its size, how far it is scrolled sideways, and the styles.

    The last column is the scroll bar's.
    """

    width: int
    height: int
    left: int
    style: Style
    thumb: Style


class LogPainter:
    """Draws a log through a window that it owns. Whoever made it must close it."""

    def __init__(self, files: SpoolFiles, layout: Format, palette: Palette) -> None:
        self.window = LogWindow(files, lambda line: len(self._rows_of(line)))
        self.finder: LogFinder | None = None
        self._layout = layout
        self._palette = palette
        self._rows: LRUCache[_RowKey, list[Row]] = LRUCache(_KEPT)
        self._texts: LRUCache[_TextKey, LogText] = LRUCache(_KEPT)

    def restyle(self, layout: Format, palette: Palette, stream: int | None) -> None:
        """Draws all anew from now on, in another layout, in other styles, or another stream."""
        self._layout, self._palette, self.window.stream = layout, palette, stream
        self._rows.clear()
        self._texts.clear()

    def close(self) -> None:
        self.window.close()

    def paint(self, frame: Frame) -> list[Strip]:
        """Every row of the frame; nothing where no line is in view."""
        lines = self.window.lines(frame.height)
        if not lines:
            return []
        rows = [row for line, skipped in lines for row in self._rows_of(line)[skipped:]][: frame.height]
        strips = [row.cropped(frame.left, frame.width - 1, frame.style) for row in rows]
        strips += [Strip.blank(frame.width - 1, frame.style)] * (frame.height - len(strips))
        thumb = self._thumb(lines[0][0].offset, lines[-1][0].end, frame.height)
        return [_with_bar(strip, frame, y in thumb) for y, strip in enumerate(strips)]

    def unmarked(self, height: int) -> list[str]:
        """Texts in view of which the search doesn't know yet what to mark."""
        if (finder := self.finder) is None:
            return []
        texts = [self._text_of(line).text for line, _ in self.window.lines(height)]
        return [text for text in texts if finder.spans_of(text) is None]

    def _thumb(self, first: int, last: int, height: int) -> range:
        """The rows of the scroll bar that stand for what is in view; none where that is everything."""
        size = self.window.reader.size
        if first == 0 and last >= size:
            return range(0)
        length = max(1, min(height - 1, height * (last - first) // size))
        start = height - length if last >= size else (height - length) * first // size
        return range(start, start + length)

    def _rows_of(self, line: LogLine) -> list[Row]:
        text = self._text_of(line)
        finder = self.finder
        found = finder is not None and finder.match is not None and _holds(line, finder.match.offset)
        spans = (finder.spans_of(text.text) if finder else None) or ()
        key = (self._key(line), found, spans)
        if (rows := self._rows.get(key)) is None:
            rows = self._rows[key] = rows_of(text, self._layout, self._palette, spans, is_found=found)
        return rows

    def _text_of(self, line: LogLine) -> LogText:
        key = self._key(line)
        if (text := self._texts.get(key)) is None:
            stamps, stream = self.window.stamps, self.window.stream
            runs, shown = decode(
                select_streams(line.data, line.data_offset, stamps, None if stream is None else (stream,))
            )
            is_stderr = (stamps.stream_of(line.offset) if stream is None else stream) == STDERR
            note = f" … {line.length:,} bytes in all" if line.is_cut and line.data_offset == line.offset else ""
            text = self._texts[key] = LogText(runs, shown, is_stderr, stamps.time_of(line.offset), note)
        return text

    def _key(self, line: LogLine) -> _TextKey:
        """Bytes behind the last record may get one of their own yet, and are decoded again when it came."""
        stamps = self.window.stamps
        return (line.offset, line.length, stamps.count if line.end > stamps.last_offset else -1)


def _holds(line: LogLine, offset: int) -> bool:
    return line.offset <= offset < max(line.end, line.offset + 1)


def _with_bar(strip: Strip, frame: Frame, is_thumb: bool) -> Strip:
    return Strip([*strip, Segment(" ", frame.thumb if is_thumb else frame.style)], frame.width)
