"""Draws the rows of a log that are in view. Caches rows, so that a new line renders only itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip

from flow_core.agent.spool import STDERR, SpoolFiles
from flow_core.logs.reader import LogLine
from flow_core.logs.shown.plain_log import PlainLog
from flow_core.logs.sidecar import select_streams
from flow_tui.widgets.log.matches import LogMatches, MatchSpans
from flow_tui.widgets.log.rows import LogLayout, LogRow, LogStyles, LogText, decode, lay_out_line
from flow_tui.widgets.log.text_rows import TextRow
from flow_tui.widgets.log.window import LogWindow

_KEPT = 2048

_TextKey = tuple[int, int, int]
_RowKey = tuple[_TextKey, bool, MatchSpans]


@dataclass(frozen=True, slots=True)
class LogFrame:
    """The size, the horizontal scroll offset and the styles of a drawing. The last column is the scroll bar."""

    width: int
    height: int
    left: int
    style: Style
    thumb: Style


class LogPainter:
    """A painter of a log with its own window. The owner must close the painter."""

    def __init__(self, files: SpoolFiles, layout: LogLayout, styles: LogStyles) -> None:
        self.window = LogWindow(files, lambda line: len(self._lay_out(line)))
        self.log = PlainLog(files)
        self.matches: LogMatches | None = None
        self.rows: list[TextRow] = []
        """The rows of the last drawing, without empty rows below the log."""
        self.visible_cells: range | None = None
        """The cells of a line that the last drawing shows; None if lines wrap."""
        self._files = files
        self._layout = layout
        self._styles = styles
        self._rows: LRUCache[_RowKey, list[LogRow]] = LRUCache(_KEPT)
        self._texts: LRUCache[_TextKey, LogText] = LRUCache(_KEPT)

    def restyle(self, layout: LogLayout, styles: LogStyles, stream: int | None) -> None:
        """Changes the layout, the styles and the stream of later drawings."""
        self._layout, self._styles = layout, styles
        self.set_stream(stream)
        self._rows.clear()
        self._texts.clear()

    def set_stream(self, stream: int | None) -> None:
        """Shows only this stream from now on; None shows both."""
        if stream != self.window.stream:
            self.log.close()
            self.window.stream, self.log = stream, PlainLog(self._files, stream)
            self.log.refresh()

    def refresh(self) -> bool:
        """Reads the files again. Returns whether they have changed."""
        self.log.refresh()
        return self.window.refresh()

    def close(self) -> None:
        self.window.close()
        self.log.close()

    def paint(self, frame: LogFrame) -> list[Strip]:
        """Draws every row of the frame. Returns no rows if no line is in view."""
        lines = self.window.get_lines(frame.height)
        self.rows = []
        if not lines:
            return []
        rows = [row for line, skipped in lines for row in self._lay_out(line)[skipped:]][: frame.height]
        self.rows = self._list_text_rows(lines, frame)[: frame.height]
        width = max(0, frame.width - 1 - self._layout.margin)
        self.visible_cells = None if self._layout.wrap else range(frame.left, frame.left + width)
        strips = [row.crop(frame.left, frame.width - 1, frame.style) for row in rows]
        strips += [Strip.blank(frame.width - 1, frame.style)] * (frame.height - len(strips))
        thumb = self._thumb_rows(lines[0][0].offset, lines[-1][0].end, frame.height)
        return [_add_scroll_bar(strip, frame, y in thumb) for y, strip in enumerate(strips)]

    def count_rows(self, offset: int, limit: int) -> int:
        """Returns the number of rows of the line at this offset, at most `limit`."""
        line = self.window.reader.line_at(offset)
        return 1 if line is None else min(limit, len(self._lay_out(line)))

    def list_unmarked_texts(self, height: int) -> list[str]:
        """Returns the texts in view for which the marks have not been found yet."""
        if (matches := self.matches) is None:
            return []
        texts = [self._decode_line(line).text for line, _ in self.window.get_lines(height)]
        return [text for text in texts if matches.get_marks(text) is None]

    def _list_text_rows(self, lines: list[tuple[LogLine, int]], frame: LogFrame) -> list[TextRow]:
        found: list[TextRow] = []
        before = self._find_time_above(lines[0][0]) if self._layout.time or self._layout.delta else None
        for line, skipped in lines:
            text, first = self._decode_line(line), 0
            for number, row in enumerate(self._lay_out(line)):
                shown = row.content.text
                if number >= skipped:
                    place = (line.offset, line.end, first, shown, len(text.text), self._layout.margin, frame.left)
                    found.append(TextRow(*place, text.when, before))
                first += len(shown)
            before = text.when
        return found

    def _find_time_above(self, line: LogLine) -> datetime | None:
        above = self.window.find_line_before(line.offset)
        return None if above is None else self._decode_line(above).when

    def _thumb_rows(self, first: int, last: int, height: int) -> range:
        """Returns the rows of the scroll bar's thumb; empty if the whole log is in view."""
        size = self.window.reader.size
        if first == 0 and last >= size:
            return range(0)
        length = max(1, min(height - 1, height * (last - first) // size))
        start = height - length if last >= size else (height - length) * first // size
        return range(start, start + length)

    def _lay_out(self, line: LogLine) -> list[LogRow]:
        text = self._decode_line(line)
        matches = self.matches
        found = matches is not None and matches.current is not None and _contains(line, matches.current.offset)
        spans = (matches.get_marks(text.text) if matches else None) or ()
        key = (self._cache_key(line), found, spans)
        if (rows := self._rows.get(key)) is None:
            rows = self._rows[key] = lay_out_line(text, self._layout, self._styles, spans, is_found=found)
        return rows

    def _decode_line(self, line: LogLine) -> LogText:
        key = self._cache_key(line)
        if (text := self._texts.get(key)) is None:
            stamps, stream = self.window.stamps, self.window.stream
            runs, shown = decode(
                select_streams(line.data, line.data_offset, stamps, None if stream is None else (stream,))
            )
            is_stderr = (stamps.find_stream(line.offset) if stream is None else stream) == STDERR
            note = f" … {line.length:,} bytes in all" if line.is_cut and line.data_offset == line.offset else ""
            text = self._texts[key] = LogText(runs, shown, is_stderr, stamps.find_time(line.offset), note)
        return text

    def _cache_key(self, line: LogLine) -> _TextKey:
        """Returns the cache key of a line. Bytes after the last sidecar record are decoded again with their record."""
        stamps = self.window.stamps
        return (line.offset, line.length, stamps.count if line.end > stamps.last_offset else -1)


def _contains(line: LogLine, offset: int) -> bool:
    return line.offset <= offset < max(line.end, line.offset + 1)


def _add_scroll_bar(strip: Strip, frame: LogFrame, is_thumb: bool) -> Strip:
    return Strip([*strip, Segment(" ", frame.thumb if is_thumb else frame.style)], frame.width)
