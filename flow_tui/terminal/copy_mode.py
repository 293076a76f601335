"""Looking back, finding and taking text, with vi's keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from flow_tui.terminal.core import Cursor, TerminalCore
from flow_tui.terminal.finding import compile_search, find, matches_in
from flow_tui.terminal.places import (
    Place,
    Span,
    end_of_row,
    last_line,
    next_word,
    previous_word,
    text_of,
    top_line,
    word_end,
)
from flow_tui.terminal.reflow import bookmark, find_again


class Unit(StrEnum):
    """What a selection grows by."""

    CELLS = "cells"
    LINES = "lines"


class Mark(NamedTuple):
    """Columns of a visible row that stand out, the last one included."""

    first: int
    last: int
    is_selected: bool


class CopyMode:
    """A cursor of our own over everything that a terminal shows and keeps.

    `text` is what was taken, once something was; `notice` a sentence for the user. Output may go on meanwhile.
    """

    def __init__(self, core: TerminalCore) -> None:
        self._core = core
        self._size = (core.cols, core.rows)
        self._is_alternate = core.modes.alternate_screen
        self.at = Place(top_line(core) + core.cursor.y, core.cursor.x)
        self._anchor: Place | None = None
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
        """False once the rows are others than those that were looked at."""
        now = (self._core.cols, self._core.rows)
        return self._size == now and self._is_alternate == self._core.modes.alternate_screen

    @property
    def selection(self) -> Span | None:
        """What is selected, from the upper end to the lower."""
        if self._anchor is None:
            return None
        start, end = sorted((self._anchor, self.at))
        if self._unit is Unit.LINES:
            return Span(Place(start.line, 0), Place(end.line, self._core.cols - 1))
        return Span(start, end)

    @property
    def cursor(self) -> Cursor:
        """Where our cursor stands in the view."""
        y = self.at.line - top_line(self._core)
        return Cursor(min(self.at.x, self._core.cols - 1), y, True) if 0 <= y < self._core.rows else Cursor(0, 0, False)

    def across(self, resize: Callable[[], None]) -> None:
        """Does a resize of the terminal and stays on the same text, in the same row of the view where it can."""
        core, y, is_live = self._core, self.at.line - top_line(self._core), not self._core.scroll_offset
        at = bookmark(core, self.at)
        anchor = bookmark(core, self._anchor) if self._anchor is not None else None
        resize()
        self._size, self._moves = (core.cols, core.rows), self._make_moves()
        place = find_again(core, at)
        self._anchor = find_again(core, anchor) if anchor is not None else None
        core.scroll_to(0 if is_live else max(0, last_line(core) + 1 - core.rows - (place.line - y)))
        self.go_to(place)

    def press(self, key: str) -> None:
        """One key: a character, or the name of a key such as "pageup" or "ctrl+u"."""
        self.notice = ""
        if self.prompt is not None:
            self._prompted(key)
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

    def select(self, span: Span, unit: Unit = Unit.CELLS) -> None:
        """Selects a stretch and puts the cursor at its end."""
        self._anchor, self._unit = span.start, unit
        self.at = span.end

    def drag_to(self, place: Place) -> None:
        """The end of the selection that begins where the cursor was first put."""
        if self._anchor is None:
            if place == self.at:
                return
            self._anchor, self._unit = self.at, Unit.CELLS
        self.go_to(place)

    def drop_selection(self) -> None:
        self._anchor = None

    def take(self) -> None:
        """Makes `text` what is selected, and ends."""
        if self.selection is None:
            self.notice = "nothing is selected; v or V begins"
            return
        self.text = self.take_marked()
        self.is_over = self.text is not None

    def take_marked(self) -> str | None:
        """What is selected, without ending; None where there is nothing or too much."""
        text = text_of(self._core, self.selection) if self.selection is not None else None
        if text is None:
            self.notice = "that is more than a clipboard takes"
        return text

    def go_to(self, place: Place) -> None:
        """Moves the cursor, and the view so that it can be seen."""
        core = self._core
        line = max(core.first_line, min(place.line, last_line(core)))
        self.at = Place(line, max(0, min(place.x, core.cols - 1)))
        y = line - top_line(core)
        if y < 0:
            core.scroll_to(core.scroll_offset - y)
        elif y >= core.rows:
            core.scroll_to(max(0, core.scroll_offset - (y - core.rows + 1)))

    def add_to_prompt(self, text: str) -> None:
        """Pasted text, as far as it is a line."""
        if self.prompt is not None:
            self.prompt += text.splitlines()[0] if text else ""

    def marks(self) -> dict[int, list[Mark]]:
        """What stands out in the view, by row: matches below, the selection above them."""
        core, top = self._core, top_line(self._core)
        found: dict[int, list[Mark]] = {}
        if self._pattern is not None:
            for span in matches_in(core, self._pattern, top, top + core.rows - 1):
                _mark(found, span, top, core, is_selected=False)
        if self.selection is not None:
            _mark(found, self.selection, top, core, is_selected=True)
        return found

    def _leave(self, key: str) -> None:
        if key == "escape" and self._anchor is not None:
            self.drop_selection()
        else:
            self.is_over = True

    def _select(self, unit: Unit) -> None:
        """Begins a selection, changes what it grows by, or drops it."""
        if self._anchor is None:
            self._anchor = self.at
        elif self._unit is unit:
            self._anchor = None
        self._unit = unit

    def _prompted(self, key: str) -> None:
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
            self.notice = "nothing to find yet; / asks"
            return
        span = find(self._core, self._pattern, self.at, forward=forward)
        if span is None:
            self.notice = "not found"
            return
        if (span.start < self.at) is forward:
            self.notice = "found from the " + ("top" if forward else "bottom")
        self.go_to(span.start)

    def _turned(self, rows: int) -> Place:
        """The cursor's place after the view has moved with it."""
        self._core.scroll_to(max(0, self._core.scroll_offset - rows))
        return Place(self.at.line + rows, self.at.x)

    def _make_moves(self) -> dict[str, Callable[[], Place]]:
        core = self._core

        def by(lines: int, columns: int = 0) -> Callable[[], Place]:
            return lambda: Place(self.at.line + lines, self.at.x + columns)

        half, page = max(1, core.rows // 2), max(1, core.rows - 1)
        return {
            **dict.fromkeys(("h", "left", "backspace"), by(0, -1)),
            **dict.fromkeys(("l", "right"), by(0, 1)),
            **dict.fromkeys(("k", "up"), by(-1)),
            **dict.fromkeys(("j", "down"), by(1)),
            **dict.fromkeys(("pageup", "ctrl+b"), lambda: self._turned(-page)),
            **dict.fromkeys(("pagedown", "ctrl+f"), lambda: self._turned(page)),
            "ctrl+u": lambda: self._turned(-half),
            "ctrl+d": lambda: self._turned(half),
            "w": lambda: next_word(core, self.at),
            "e": lambda: word_end(core, self.at),
            "b": lambda: previous_word(core, self.at),
            **dict.fromkeys(("0", "home"), lambda: Place(self.at.line, 0)),
            **dict.fromkeys(("$", "end"), lambda: Place(self.at.line, end_of_row(core, self.at.line))),
            "g": lambda: Place(core.first_line, 0),
            "G": lambda: Place(last_line(core), 0),
        }


def _mark(found: dict[int, list[Mark]], span: Span, top: int, core: TerminalCore, *, is_selected: bool) -> None:
    for number in range(max(span.start.line, top), min(span.end.line, top + core.rows - 1) + 1):
        first = span.start.x if number == span.start.line else 0
        last = span.end.x if number == span.end.line else core.cols - 1
        cells = core.line(number).cells
        if first and not cells[first]:  # never half a wide character
            first -= 1
        if last + 1 < len(cells) and cells[last] and not cells[last + 1]:
            last += 1
        found.setdefault(number - top, []).append(Mark(first, last, is_selected))
