"""Copy mode: scrolls back, searches and selects text with the keys of vi."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from flow_tui.terminal.bookmarks import create_bookmark, find_bookmark
from flow_tui.terminal.core import Cursor, TerminalCore
from flow_tui.terminal.text_range import (
    CellPosition,
    TextRange,
    extract_text,
    find_next_word,
    find_previous_word,
    find_row_end,
    find_word_end,
    get_last_line,
    get_top_line,
)
from flow_tui.terminal.text_search import compile_search, find, find_matches


class Unit(StrEnum):
    """The unit of a selection."""

    CELLS = "cells"
    LINES = "lines"


class Mark(NamedTuple):
    """Highlighted columns of a visible row, both ends included."""

    first: int
    last: int
    is_selected: bool


class CopyMode:
    """A second cursor, which moves over the screen and the scrollback of a terminal.

    `text` is the text that the user copied, or None. `notice` is a sentence for the user. The terminal may continue to
    receive output.
    """

    def __init__(self, core: TerminalCore) -> None:
        self._core = core
        self._size = (core.cols, core.rows)
        self._is_alternate = core.modes.alternate_screen
        self.at = CellPosition(get_top_line(core) + core.cursor.y, core.cursor.x)
        self._anchor: CellPosition | None = None
        self._unit = Unit.CELLS
        self._pattern: re.Pattern[str] | None = None
        self._forward = True
        self.prompt: str | None = None
        self.notice = ""
        self.text: str | None = None
        self.is_over = False
        self._moves = self._make_moves()

    @property
    def is_valid(self) -> bool:
        """False once the size or the screen has changed, so that positions refer to other text."""
        now = (self._core.cols, self._core.rows)
        return self._size == now and self._is_alternate == self._core.modes.alternate_screen

    @property
    def selection(self) -> TextRange | None:
        """The selected range."""
        if self._anchor is None:
            return None
        start, end = sorted((self._anchor, self.at))
        if self._unit is Unit.LINES:
            return TextRange(CellPosition(start.line, 0), CellPosition(end.line, self._core.cols - 1))
        return TextRange(start, end)

    @property
    def cursor(self) -> Cursor:
        """The copy-mode cursor in the visible rows; hidden outside of them."""
        y = self.at.line - get_top_line(self._core)
        return Cursor(min(self.at.x, self._core.cols - 1), y, True) if 0 <= y < self._core.rows else Cursor(0, 0, False)

    def keep_text_across(self, resize: Callable[[], None]) -> None:
        """Resizes the terminal and keeps the cursor on the same text, in the same row of the view if possible."""
        core, y, is_live = self._core, self.at.line - get_top_line(self._core), not self._core.scroll_offset
        at = create_bookmark(core, self.at)
        anchor = create_bookmark(core, self._anchor) if self._anchor is not None else None
        resize()
        self._size, self._moves = (core.cols, core.rows), self._make_moves()
        position = find_bookmark(core, at)
        self._anchor = find_bookmark(core, anchor) if anchor is not None else None
        core.scroll_to(0 if is_live else max(0, get_last_line(core) + 1 - core.rows - (position.line - y)))
        self.go_to(position)

    def press(self, key: str) -> None:
        """Handles one key: a character, or the name of a key such as "pageup" or "ctrl+u"."""
        self.notice = ""
        if self.prompt is not None:
            self._press_in_prompt(key)
        elif key in ("q", "escape", "ctrl+c"):
            self._leave(key)
        elif key in ("v", "V", " "):
            self._select(Unit.LINES if key == "V" else Unit.CELLS)
        elif key in ("y", "enter"):
            self.take()
        elif key in ("/", "?"):
            self.prompt, self._forward = "", key == "/"
        elif key in ("n", "N"):
            self._find_again(self._forward == (key == "n"))
        elif key in self._moves:
            self.go_to(self._moves[key]())

    def select(self, text_range: TextRange, unit: Unit = Unit.CELLS) -> None:
        """Selects a range and puts the cursor at its end."""
        self._anchor, self._unit = text_range.start, unit
        self.at = text_range.end

    def drag_to(self, position: CellPosition) -> None:
        """Extends the selection to this position, or begins a selection at the cursor."""
        if self._anchor is None:
            if position == self.at:
                return
            self._anchor, self._unit = self.at, Unit.CELLS
        self.go_to(position)

    def drop_selection(self) -> None:
        self._anchor = None

    def take(self) -> None:
        """Stores the selected text in `text` and ends copy mode."""
        if self.selection is None:
            self.notice = "nothing is selected; press v or V to start"
            return
        self.text = self.take_marked()
        self.is_over = self.text is not None

    def take_marked(self) -> str | None:
        """Returns the selected text; None if nothing is selected, or more than MAX_TEXT."""
        text = extract_text(self._core, self.selection) if self.selection is not None else None
        if text is None:
            self.notice = "the selection is too large for the clipboard; select less"
        return text

    def go_to(self, position: CellPosition) -> None:
        """Moves the cursor, and scrolls the view until it shows the cursor."""
        core = self._core
        line = max(core.first_line, min(position.line, get_last_line(core)))
        self.at = CellPosition(line, max(0, min(position.x, core.cols - 1)))
        y = line - get_top_line(core)
        if y < 0:
            core.scroll_to(core.scroll_offset - y)
        elif y >= core.rows:
            core.scroll_to(max(0, core.scroll_offset - (y - core.rows + 1)))

    def add_to_prompt(self, text: str) -> None:
        """Appends the first line of pasted text to the search prompt."""
        if self.prompt is not None:
            self.prompt += text.splitlines()[0] if text else ""

    def get_marks(self) -> dict[int, list[Mark]]:
        """Returns the highlights by visible row. Those of the selection come after those of search matches."""
        core, top = self._core, get_top_line(self._core)
        found: dict[int, list[Mark]] = {}
        if self._pattern is not None:
            for match in find_matches(core, self._pattern, top, top + core.rows - 1):
                _mark(found, match, top, core, is_selected=False)
        if self.selection is not None:
            _mark(found, self.selection, top, core, is_selected=True)
        return found

    def _leave(self, key: str) -> None:
        if key == "escape" and self._anchor is not None:
            self.drop_selection()
        else:
            self.is_over = True

    def _select(self, unit: Unit) -> None:
        """Begins a selection, changes its unit, or drops it."""
        if self._anchor is None:
            self._anchor = self.at
        elif self._unit is unit:
            self._anchor = None
        self._unit = unit

    def _press_in_prompt(self, key: str) -> None:
        typed = self.prompt or ""
        if key == "enter":
            self.prompt = None
            if typed:
                self._pattern = compile_search(typed)
            self._find_again(self._forward)
        elif key in ("escape", "ctrl+c") or (key in ("backspace", "ctrl+h") and not typed):
            self.prompt = None
        elif key in ("backspace", "ctrl+h"):
            self.prompt = typed[:-1]
        elif key == "ctrl+u":
            self.prompt = ""
        elif len(key) == 1 and key.isprintable():
            self.prompt = typed + key

    def _find_again(self, forward: bool) -> None:
        if self._pattern is None:
            self.notice = "no search yet; press / to search"
            return
        match = find(self._core, self._pattern, self.at, forward=forward)
        if match is None:
            self.notice = "not found"
            return
        if (match.start < self.at) is forward:
            self.notice = "search continued from the " + ("start" if forward else "end")
        self.go_to(match.start)

    def _scroll_by(self, rows: int) -> CellPosition:
        """Scrolls the view and returns the new position of the cursor."""
        self._core.scroll_to(max(0, self._core.scroll_offset - rows))
        return CellPosition(self.at.line + rows, self.at.x)

    def _make_moves(self) -> dict[str, Callable[[], CellPosition]]:
        core = self._core

        def by(lines: int, columns: int = 0) -> Callable[[], CellPosition]:
            return lambda: CellPosition(self.at.line + lines, self.at.x + columns)

        half, page = max(1, core.rows // 2), max(1, core.rows - 1)
        return {
            **dict.fromkeys(("h", "left", "backspace"), by(0, -1)),
            **dict.fromkeys(("l", "right"), by(0, 1)),
            **dict.fromkeys(("k", "up"), by(-1)),
            **dict.fromkeys(("j", "down"), by(1)),
            **dict.fromkeys(("pageup", "ctrl+b"), lambda: self._scroll_by(-page)),
            **dict.fromkeys(("pagedown", "ctrl+f"), lambda: self._scroll_by(page)),
            "ctrl+u": lambda: self._scroll_by(-half),
            "ctrl+d": lambda: self._scroll_by(half),
            "w": lambda: find_next_word(core, self.at),
            "e": lambda: find_word_end(core, self.at),
            "b": lambda: find_previous_word(core, self.at),
            **dict.fromkeys(("0", "home"), lambda: CellPosition(self.at.line, 0)),
            **dict.fromkeys(("$", "end"), lambda: CellPosition(self.at.line, find_row_end(core, self.at.line))),
            "g": lambda: CellPosition(core.first_line, 0),
            "G": lambda: CellPosition(get_last_line(core), 0),
        }


def _mark(
    found: dict[int, list[Mark]], text_range: TextRange, top: int, core: TerminalCore, *, is_selected: bool
) -> None:
    for number in range(max(text_range.start.line, top), min(text_range.end.line, top + core.rows - 1) + 1):
        first = text_range.start.x if number == text_range.start.line else 0
        last = text_range.end.x if number == text_range.end.line else core.cols - 1
        cells = core.get_line(number).cells
        if first and not cells[first]:  # never half of a wide character
            first -= 1
        if last + 1 < len(cells) and cells[last] and not cells[last + 1]:
            last += 1
        found.setdefault(number - top, []).append(Mark(first, last, is_selected))
