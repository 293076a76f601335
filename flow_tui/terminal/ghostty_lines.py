"""Accesses the rows of a libghostty terminal by stable row numbers."""

from __future__ import annotations

from typing import Any

from pyghostty import Terminal, ffi, lib
from pyghostty._ffi import check, union_fn
from pyghostty.core import init_sized, read_buf

from flow_tui.terminal.core import LineCells
from flow_tui.terminal.ghostty_cells import CELL_BITS, GRAPHEME, WIDE_HEAD, WIDE_TAIL

_ACTIVE = 0


class GhosttyLines:
    """The rows of the screen and the scrollback of one terminal.

    The library counts rows from the oldest one, so all its numbers change when it drops rows. A tracked reference shows
    how many it dropped. Every access renews the reference.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal: Any = terminal
        self._tracked_ref: Any = None
        self._tracked_number = 0

    @property
    def first_line(self) -> int:
        """Number of the oldest row of the scrollback. Renews the tracked reference."""
        first = self._find_first()
        self._track_screen(first)
        return first

    def get_line(self, number: int) -> LineCells:
        """Returns a row, as `TerminalCore.get_line` does."""
        y, cols = number - self.first_line, self._terminal.size[0]
        if not 0 <= y < self._count_rows():
            return LineCells(("",) * cols, False)
        ref = self._terminal.ref(0, y, "screen")
        return LineCells(_read_cells(ref, cols), _wraps(ref))

    def get_texts(self, first: int, last: int) -> list[tuple[str, bool]]:
        """Returns rows as text, as `TerminalCore.get_texts` does."""
        base = self.first_line
        start, end = max(0, first - base), min(last - base, self._count_rows() - 1)
        if start > end:
            return []
        rows = self._read_text(start, end).split("\n")
        rows += [""] * (end - start + 1 - len(rows))
        return [(row, _wraps(self._terminal.ref(0, start + i, "screen"))) for i, row in enumerate(rows)]

    def close(self) -> None:
        """Frees the tracked reference. Calling it again is safe."""
        if self._tracked_ref is not None:
            lib.ghostty_tracked_grid_ref_free(self._tracked_ref[0])
            self._tracked_ref = None

    def _count_rows(self) -> int:
        return int(self._terminal.get("scrollback_rows", "size_t")) + int(self._terminal.size[1])

    def _find_first(self) -> int:
        if self._tracked_ref is None:
            return 0
        place = ffi.new("GhosttyPointCoordinate*")
        if lib.ghostty_tracked_grid_ref_point(self._tracked_ref[0], lib.GHOSTTY_POINT_TAG_SCREEN, place):
            return self._tracked_number + 1  # all known rows were dropped since the last access
        return self._tracked_number - int(place.y)

    def _track_screen(self, first: int) -> None:
        self.close()
        point = ffi.new("GhosttyPointS*")
        point.tag = _ACTIVE
        self._tracked_ref = ffi.new("GhosttyTrackedGridRef*")
        track = union_fn(
            "ghostty_terminal_grid_ref_track",
            "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyTrackedGridRef*)",
        )
        check(track(self._terminal._t[0], point[0], self._tracked_ref), "track")
        self._tracked_number = first + self._count_rows() - int(self._terminal.size[1])

    def _read_text(self, start: int, end: int) -> str:
        chosen = init_sized("GhosttySelection")
        chosen.start = self._terminal.ref(0, start, "screen")[0]
        chosen.end = self._terminal.ref(self._terminal.size[0] - 1, end, "screen")[0]
        how = init_sized("GhosttyTerminalSelectionFormatOptions")
        how.emit, how.unwrap, how.trim, how.selection = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN, False, True, chosen
        handle = self._terminal._t[0]
        text: str = read_buf(lambda *into: lib.ghostty_terminal_selection_format_buf(handle, how[0], *into))
        return text


def _read_cells(ref: Any, cols: int) -> tuple[str, ...]:
    bits, out = CELL_BITS, ffi.new("GhosttyCell*")
    cells: list[str] = []
    for x in range(cols):
        ref.x = x
        check(lib.ghostty_grid_ref_cell(ref, out), "cell")
        raw = out[0]
        if (raw >> bits.wide) & bits.wide_mask in (WIDE_TAIL, WIDE_HEAD):
            cells.append("")
        elif (tag := (raw >> bits.tag) & bits.tag_mask) == GRAPHEME:
            cells.append(_read_cluster(ref))
        else:
            code = 0 if tag else (raw >> bits.content) & bits.codepoint_mask
            cells.append(chr(code) if code else " ")
    ref.x = 0
    return tuple(cells)


def _read_cluster(ref: Any) -> str:
    length, codes = ffi.new("size_t*"), ffi.new("uint32_t[]", 64)
    if lib.ghostty_grid_ref_graphemes(ref, codes, 64, length):
        return "\ufffd"  # more than 64 code points in one character
    return "".join(map(chr, codes[0 : length[0]]))


def _wraps(ref: Any) -> bool:
    row, wraps = ffi.new("GhosttyRow*"), ffi.new("bool*")
    check(lib.ghostty_grid_ref_row(ref, row), "row")
    check(lib.ghostty_row_get(row[0], lib.GHOSTTY_ROW_DATA_WRAP, wraps), "wrap")
    return bool(wraps[0])
