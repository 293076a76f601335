"""The pure Python terminal core, from bittty. It is slower than the native one and installs everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from bittty import Board, MemoryConnection, TerminalCaps
from bittty.devices.modes import MouseEncoding, MouseProtocol
from bittty.present import Bell, ClipboardChanged, RowsScrolledOff, ScrollbackCleared, TitleChanged

from flow_core.logs.text_style import PLAIN, Colour, TextStyle
from flow_tui.terminal.cells import Cell, join_cells, join_plain, split_runs, to_plain_title
from flow_tui.terminal.core import SCROLLBACK_BYTES, Cursor, LineCells, Modes, MouseTracking, Run
from flow_tui.terminal.core_events import OscEvents
from flow_tui.terminal.scrollback import Scrollback, cut_row

_TRACKING = {
    MouseProtocol.X10: MouseTracking.PRESS,
    MouseProtocol.NORMAL: MouseTracking.CLICK,
    MouseProtocol.BUTTON: MouseTracking.DRAG,
    MouseProtocol.ANY: MouseTracking.MOVE,
}
_SGR_ENCODINGS = (MouseEncoding.SGR, MouseEncoding.SGR_PIXELS)
_STYLE, _TEXT = itemgetter(0), itemgetter(1)
_STYLES_KEPT = 4096
_PENDING_LENGTH = 1 << 14
_PENDING_KEPT = 1 << 12
_CLIPBOARD_START, _CLIPBOARD_LENGTH = "\x1b]52;", 1 << 17
_UNKNOWN_START = "\x1b]9999;"


class BitttyCore:
    """A core on one bittty board, to which only this object is attached."""

    name = "bittty"
    keeps_scrollback = True  # the board reads this, and then presents rows that scroll off

    def __init__(self, cols: int, rows: int) -> None:
        self.events = OscEvents()
        self.cols, self.rows = cols, rows
        self._board: Any = Board(width=cols, height=rows)
        self._cable: Any = MemoryConnection()
        self._board.host.attach(self._cable)
        self._board.display.attach(self)
        self._board.set_caps(TerminalCaps(grapheme_mode="permanently-set"))
        self._scrollback = Scrollback(SCROLLBACK_BYTES)
        self._styles: dict[Any, TextStyle] = {}
        self._offset = 0
        self._seen_page: Any = None
        self._seen_generation = -1
        self._seen_reverse = False

    def present(self, event: object) -> None:
        """Handles an event of the board other than a change of its page."""
        if isinstance(event, RowsScrolledOff):
            self._append_to_scrollback(event.lines)
        elif isinstance(event, ScrollbackCleared):
            self._scrollback.clear()
            self.scroll_to(0)
        elif isinstance(event, Bell):
            self.events.note_bell()
        elif isinstance(event, TitleChanged):
            self.events.title = to_plain_title(event.title)
        elif isinstance(event, ClipboardChanged):
            self.events.note_clipboard(event.text)

    def feed(self, data: bytes) -> None:
        self._board.feed_host_data(data)
        self._cut_pending()
        parts, self._cable.data = self._cable.data, []
        for part in parts:
            self.events.note_reply(part.encode() if isinstance(part, str) else part)
        if (self._board.width, self._board.height) != (self.cols, self.rows):
            # A program may request 132 columns; the size of the pane stays as it is.
            self._board.resize(self.cols, self.rows)

    def _cut_pending(self) -> None:
        """Shortens an unterminated string: bittty keeps it whole, and parses it again with every piece."""
        parser = self._board.parser
        length = len(parser.buffer) - parser.pos
        if parser.mode is None or length <= _PENDING_LENGTH:
            return
        start_of_end = parser.buffer[-1:] if parser.buffer.endswith("\x1b") else ""
        if not parser.buffer.startswith(_CLIPBOARD_START, parser.pos):
            parser.buffer = parser.buffer[: parser.pos + _PENDING_KEPT] + start_of_end
        elif length > _CLIPBOARD_LENGTH:  # no text on the clipboard is better than a part of it
            parser.buffer = parser.buffer[: parser.pos] + _UNKNOWN_START + start_of_end

    def resize(self, cols: int, rows: int) -> None:
        self.cols, self.rows = cols, rows
        self._board.resize_from_frontend(cols, rows)
        self._seen_page = None

    def take_dirty_rows(self) -> list[int]:
        page, reverse = self._board.display.page, bool(self._board.modes.reverse_screen)
        is_same = page is self._seen_page and reverse == self._seen_reverse
        rows = list(page.dirty_rows(self._seen_generation)) if is_same else list(range(self.rows))
        self._seen_page, self._seen_generation, self._seen_reverse = page, page.observe(), reverse
        if self._offset and rows:
            return list(range(self.rows))
        return rows

    def get_row(self, y: int) -> tuple[Run, ...]:
        if y < self._offset:
            return cut_row(self._scrollback[len(self._scrollback) - self._offset + y], self.cols)
        return cut_row(self._to_runs(self._board.display.page.grid[y - self._offset]), self.cols)

    @property
    def cursor(self) -> Cursor:
        place = self._board.display.cursor
        if place is None or place[1] + self._offset >= self.rows:
            return Cursor(0, 0, False)
        return Cursor(min(place[0], self.cols - 1), place[1] + self._offset, True)

    @property
    def modes(self) -> Modes:
        modes, mouse = self._board.modes, self._board.mouse
        return Modes(
            application_cursor=bool(modes.cursor_application_mode),
            bracketed_paste=bool(modes.bracketed_paste),
            alternate_screen=bool(self._board.blitter.in_alt_screen),
            focus_reports=bool(modes.focus_reporting),
            synchronized=bool(modes.synchronized_output),
            mouse=_TRACKING.get(mouse.protocol, MouseTracking.OFF),
            mouse_sgr=mouse.encoding in _SGR_ENCODINGS,
        )

    @property
    def is_in_update(self) -> bool:
        return bool(self._board.modes.synchronized_output)

    @property
    def scrollback_rows(self) -> int:
        return 0 if self._board.blitter.in_alt_screen else len(self._scrollback)

    @property
    def scroll_offset(self) -> int:
        return self._offset

    def scroll_to(self, offset: int) -> None:
        offset = max(0, min(offset, self.scrollback_rows))
        if offset != self._offset:
            self._offset = offset
            self._seen_page = None

    @property
    def first_line(self) -> int:
        return self._scrollback.dropped + (len(self._scrollback) - self.scrollback_rows)

    def get_line(self, number: int) -> LineCells:
        rows = list(self._rows_from(number, number + 1))[:2]
        if not rows or not self.first_line <= number <= self.first_line + self.scrollback_rows + self.rows - 1:
            return LineCells(("",) * self.cols, False)
        cells, wraps = split_runs(cut_row(rows[0][0], self.cols)), rows[0][1]
        if wraps and cells[-1] == " " and split_runs(rows[-1][0])[1:2] == ("",):
            cells = (*cells[:-1], "")  # the next row's wide character did not fit here
        return LineCells(cells, wraps)

    def get_texts(self, first: int, last: int) -> list[tuple[str, bool]]:
        rows = self._rows_from(first, last)
        return [("".join(run.text for run in runs).rstrip(), wraps) for runs, wraps in rows]

    def _rows_from(self, first: int, last: int) -> Iterator[tuple[tuple[Run, ...], bool]]:
        scrolled = self.scrollback_rows
        start, end = first - self.first_line, last - self.first_line + 1
        if scrolled:
            yield from self._scrollback.slice(max(0, start), max(0, min(end, scrolled)))
        page = self._board.display.page
        for y in range(max(0, start - scrolled), min(end - scrolled, self.rows)):
            yield self._to_runs(page.grid[y]), bool(page.is_line_wrapped(y))

    def close(self) -> None:
        self._board.display.detach()
        self._scrollback.clear()

    def _append_to_scrollback(self, lines: tuple[Any, ...]) -> None:
        before = len(self._scrollback)
        for line in lines:
            self._scrollback.append(self._to_runs(line.cells), wraps=bool(line.wrapped))
        if self._offset:  # the view stays on its text while output continues below it
            grown = max(0, len(self._scrollback) - before)
            self._offset = min(self._offset + grown, len(self._scrollback))

    def _to_runs(self, cells: Any) -> tuple[Run, ...]:
        text = "".join(map(_TEXT, cells))
        plain = join_plain(text, map(_STYLE, cells), self._find_style) if len(text) == len(cells) else None
        return join_cells(self._to_cells(cells)) if plain is None else plain

    def _find_style(self, style: Any, _x: int = 0) -> TextStyle:
        converted = self._styles.get(style)
        if converted is None:
            if len(self._styles) >= _STYLES_KEPT:
                self._styles.clear()
            converted = self._styles[style] = _convert_style(style)
        return converted._replace(reverse=not converted.reverse) if self._board.modes.reverse_screen else converted

    def _to_cells(self, row: Any) -> list[Cell]:
        cells: list[Cell] = []
        for bittty_style, text in row:
            if text == "":  # the second half of the wide character before it
                if cells:
                    cells[-1] = (cells[-1][0], 2, cells[-1][2])
                continue
            style = self._find_style(bittty_style)
            cells.append((" " if style.hidden else text, 1, style))
        return cells


def _convert_style(style: Any) -> TextStyle:
    found = TextStyle(
        foreground=_convert_color(style.fg),
        background=_convert_color(style.bg),
        bold=bool(style.bold),
        dim=bool(style.dim),
        italic=bool(style.italic),
        underline=bool(style.underline),
        blink=bool(style.blink),
        reverse=bool(style.reverse),
        strike=bool(style.strike),
        hidden=bool(style.conceal),
    )
    return PLAIN if found == PLAIN else found


def _convert_color(color: Any) -> Colour | None:
    if color is None or color.mode == "default":
        return None
    value: Colour = color.value
    return value
