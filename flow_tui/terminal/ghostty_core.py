"""The native terminal core: libghostty-vt through pyghostty, an optional dependency of a pinned version."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from pyghostty import Terminal, ffi, lib
from pyghostty._ffi import check, union_fn
from pyghostty.core import init_sized

from flow_core.logs.text_style import PLAIN, Colour, TextStyle
from flow_tui.terminal.cells import Cell, join_cells, join_plain, to_plain_title
from flow_tui.terminal.core import SCROLLBACK_BYTES, Cursor, LineCells, Modes, MouseTracking, Run
from flow_tui.terminal.core_events import OscEvents
from flow_tui.terminal.ghostty_cells import CELL_BITS, GRAPHEME, WIDE, WIDE_TAIL
from flow_tui.terminal.ghostty_lines import GhosttyLines
from flow_tui.terminal.scrollback import cut_row

_GRAPHEME_CLUSTERS, _SYNCHRONIZED = 2027, 2026
_PALETTE_BACKGROUND, _RGB_BACKGROUND = 2, 3
_MOUSE_MODES = ((1003, MouseTracking.MOVE), (1002, MouseTracking.DRAG), (1000, MouseTracking.CLICK))

# DECSTR, which the library doesn't know, and its equivalent: cursor shown, no insert mode, no origin mode, no margins,
# wrapping, default keys, characters and colours, and a saved cursor at home. A sequence may arrive in two pieces.
_SOFT_RESET = b"\x1b[!p"
_SOFT_RESET_STARTS = (b"\x1b[!", b"\x1b[", b"\x1b")
_RESET_CODES = b"\x1b[?25h\x1b[4l\x1b[?6l\x1b[?69l\x1b[r\x1b[?7h\x1b[?1l\x1b>\x1b(B\x1b)B\x0f\x1b[0m\x1b[H\x1b7"

# cffi can't pass the union in the library's own parameter by value. This struct has the same layout.
ffi.cdef("typedef struct { GhosttyTerminalScrollViewportTag tag; uint64_t value[2]; } FlowScrollTarget;")


class GhosttyCore:
    """A core on one libghostty terminal and its render state. `take_dirty_rows` decodes each changed row once."""

    name = "ghostty"

    def __init__(self, cols: int, rows: int) -> None:
        self.events = OscEvents()
        self.cols, self.rows = cols, rows
        self._terminal: Any = Terminal(cols, rows)
        self._pending = b""
        self._handle: Any = self._terminal._t[0]
        self._set_options()
        self._register_callbacks()
        self._state, self._row_iterator, self._row_cells = _render_handles()
        self._lines: list[tuple[Run, ...]] = [cut_row((), cols)] * rows
        self._numbered_lines = GhosttyLines(self._terminal)
        self._cursor = Cursor(0, 0, True)

    def _set_options(self) -> None:
        """Sets the scrollback limit, disables Kitty images and enables grapheme clusters."""
        # A limit only by bytes: a limit by lines makes plain output four times slower. The default by bytes is 10 kB.
        self._set("SCROLLBACK_MAX_LINES", ffi.NULL)
        self._set("SCROLLBACK_MAX_BYTES", ffi.new("size_t*", SCROLLBACK_BYTES))
        self._set("KITTY_IMAGE_STORAGE_LIMIT", ffi.new("uint64_t*", 0))
        # Joined emoji are one character, as in Rich and most terminals of users. A reset must not change that.
        clusters = ffi.new("GhosttyTerminalModeConfig*", {"mode": _GRAPHEME_CLUSTERS, "value": True})
        self._set("MODE_DEFAULT", clusters)
        self._set("MODE", clusters)

    def _register_callbacks(self) -> None:
        """Registers the callbacks. The attributes keep them alive, because the library keeps only their addresses."""
        self._terminal.on_reply(self.events.note_reply)
        self._on_bell = ffi.callback("GhosttyTerminalBellFn", self._on_bell_event)
        self._on_title = ffi.callback("GhosttyTerminalTitleChangedFn", self._on_title_event)
        self._set("BELL", self._on_bell)
        self._set("TITLE_CHANGED", self._on_title)
        self._on_clipboard = ffi.callback("GhosttyTerminalClipboardWriteFn", self._on_clipboard_event)
        self._set("CLIPBOARD_WRITE", self._on_clipboard)

    def _set(self, option: str, value: Any) -> None:
        check(lib.ghostty_terminal_set(self._handle, getattr(lib, f"GHOSTTY_TERMINAL_OPT_{option}"), value), option)

    def _on_bell_event(self, _terminal: Any, _userdata: Any) -> None:
        self.events.note_bell()

    def _on_title_event(self, _terminal: Any, _userdata: Any) -> None:
        out = self._terminal.get("title", "GhosttyString")
        raw = bytes(ffi.buffer(out.ptr, out.len)) if out.len else b""
        self.events.title = to_plain_title(raw.decode("utf-8", "replace"))

    def _on_clipboard_event(self, _terminal: Any, _userdata: Any, request: Any) -> None:
        if request.contents_len:
            out = request.contents[0].data
            raw = bytes(ffi.buffer(out.ptr, out.len)) if out.len else b""
            self.events.note_clipboard(raw.decode("utf-8", "replace"))

    def feed(self, data: bytes) -> None:
        *before, data = (self._pending + data).split(_SOFT_RESET)
        for piece in before:
            self._terminal.feed(piece)
            self._reset_softly()
        self._pending = next((start for start in _SOFT_RESET_STARTS if data.endswith(start)), b"")
        self._terminal.feed(data[: len(data) - len(self._pending)])
        # DECCOLM may have changed the size, but the pane has a fixed number of columns.
        if self._terminal.size != (self.cols, self.rows):
            self._terminal.resize(self.cols, self.rows)

    def _reset_softly(self) -> None:
        """Resets the modes and the saved cursor, and keeps the position of the cursor."""
        x, y = self._terminal.cursor
        self._terminal.feed(_RESET_CODES + b"\x1b[%d;%dH" % (y + 1, x + 1))

    def resize(self, cols: int, rows: int) -> None:
        self.cols, self.rows = cols, rows
        self._terminal.resize(cols, rows)
        self._lines = [cut_row((), cols)] * rows

    def take_dirty_rows(self) -> list[int]:
        check(lib.ghostty_render_state_update(self._state[0], self._handle), "render update")
        check(
            lib.ghostty_render_state_get(
                self._state[0], lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR, self._row_iterator
            ),
            "rows",
        )
        dirty: list[int] = []
        y = ffi.new("uint16_t*")
        while lib.ghostty_render_state_row_iterator_next_dirty(self._row_iterator[0], y):
            if y[0] < self.rows:
                self._lines[y[0]] = self._decode_row()
                dirty.append(y[0])
        lib.ghostty_render_state_clean(self._state[0])
        self._cursor = self._read_cursor()
        return dirty

    def get_row(self, y: int) -> tuple[Run, ...]:
        return self._lines[y]

    @property
    def cursor(self) -> Cursor:
        return self._cursor

    @property
    def modes(self) -> Modes:
        mode = self._terminal.mode
        return Modes(
            application_cursor=mode(1),
            bracketed_paste=mode(2004),
            alternate_screen=bool(self._terminal.get("active_screen", "GhosttyTerminalScreen")),
            focus_reports=mode(1004),
            synchronized=mode(_SYNCHRONIZED),
            mouse=self._mouse_tracking(),
            mouse_sgr=mode(1006) or mode(1016),
        )

    @property
    def is_in_update(self) -> bool:
        return bool(self._terminal.mode(_SYNCHRONIZED))

    def _mouse_tracking(self) -> MouseTracking:
        if not self._terminal.get("mouse_tracking", "bool"):
            return MouseTracking.OFF
        return next((tracking for mode, tracking in _MOUSE_MODES if self._terminal.mode(mode)), MouseTracking.PRESS)

    @property
    def scrollback_rows(self) -> int:
        return int(self._terminal.get("scrollback_rows", "size_t"))

    @property
    def scroll_offset(self) -> int:
        bar = self._terminal.get("scrollbar", "GhosttyTerminalScrollbar")
        return max(0, int(bar.total) - int(bar.len) - int(bar.offset))

    def scroll_to(self, offset: int) -> None:
        rows = self.scrollback_rows
        offset = max(0, min(offset, rows))
        target = ffi.new("FlowScrollTarget*")
        target.tag = lib.GHOSTTY_SCROLL_VIEWPORT_ROW if offset else lib.GHOSTTY_SCROLL_VIEWPORT_BOTTOM
        target.value[0] = rows - offset
        scroll = union_fn("ghostty_terminal_scroll_viewport", "void(*)(GhosttyTerminal, FlowScrollTarget)")
        scroll(self._handle, target[0])

    @property
    def first_line(self) -> int:
        return self._numbered_lines.first_line

    def get_line(self, number: int) -> LineCells:
        return self._numbered_lines.get_line(number)

    def get_texts(self, first: int, last: int) -> list[tuple[str, bool]]:
        return self._numbered_lines.get_texts(first, last)

    def close(self) -> None:
        if self._terminal is not None:
            self._numbered_lines.close()
            self._terminal.close()
            self._terminal = self._handle = None

    def _read_cursor(self) -> Cursor:
        out = init_sized("GhosttyRenderStateCursor")
        check(lib.ghostty_render_state_get(self._state[0], lib.GHOSTTY_RENDER_STATE_DATA_CURSOR, out), "cursor")
        is_shown = bool(out.visible and out.viewport_has_value)
        return Cursor(out.viewport_x, out.viewport_y, is_shown) if is_shown else Cursor(0, 0, False)

    def _decode_row(self) -> tuple[Run, ...]:
        view = ffi.new("GhosttyCellsView*")
        check(
            lib.ghostty_render_state_row_get(self._row_iterator[0], lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW, view),
            "cells",
        )
        check(
            lib.ghostty_render_state_row_get(
                self._row_iterator[0], lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS, self._row_cells
            ),
            "row",
        )
        raw_cells = ffi.unpack(view.ptr, view.len)
        return cut_row(self._decode_plain(raw_cells) or join_cells(self._decode_cells(raw_cells)), self.cols)

    def _decode_plain(self, raw_cells: list[int]) -> tuple[Run, ...] | None:
        """Decodes a row of narrow characters in one pass. Returns None for any other row."""
        bits = CELL_BITS
        if reduce(or_, raw_cells) & bits.not_plain:
            return None
        codes = [(raw >> bits.content) & bits.codepoint_mask or 32 for raw in raw_cells]
        style_ids = [(raw >> bits.style) & bits.style_mask for raw in raw_cells]
        return join_plain("".join(map(chr, codes)), style_ids, self._style_of)

    def _style_of(self, style_id: int, x: int) -> TextStyle:
        return self._read_style(x) if style_id else PLAIN

    def _decode_cells(self, raw_cells: list[int]) -> list[Cell]:
        bits = CELL_BITS
        styles: dict[int, TextStyle] = {0: PLAIN}  # ids are valid only within one row
        cells: list[Cell] = []
        for x, raw in enumerate(raw_cells):
            wide = (raw >> bits.wide) & bits.wide_mask
            if wide == WIDE_TAIL:
                continue
            style_id = (raw >> bits.style) & bits.style_mask
            style = styles.get(style_id)
            if style is None:
                style = styles[style_id] = self._read_style(x)
            tag = (raw >> bits.tag) & bits.tag_mask
            if tag >= _PALETTE_BACKGROUND:
                cells.append((" ", 1, _blank_style(tag, (raw >> bits.content) & bits.content_mask)))
                continue
            code = (raw >> bits.content) & bits.codepoint_mask
            text = self._read_cluster(x) if tag == GRAPHEME else chr(code) if code else " "
            cells.append((" " if style.hidden else text, 2 if wide == WIDE else 1, style))
        return cells

    def _read_style(self, x: int) -> TextStyle:
        out = init_sized("GhosttyStyle")
        self._read_cell(x, "STYLE", out)
        return TextStyle(
            foreground=_convert_color(out.fg_color),
            background=_convert_color(out.bg_color),
            bold=bool(out.bold),
            dim=bool(out.faint),
            italic=bool(out.italic),
            underline=bool(out.underline),
            blink=bool(out.blink),
            reverse=bool(out.inverse),
            strike=bool(out.strikethrough),
            hidden=bool(out.invisible),
        )

    def _read_cluster(self, x: int) -> str:
        length = ffi.new("uint32_t*")
        self._read_cell(x, "GRAPHEMES_LEN", length)
        codes = ffi.new("uint32_t[]", max(1, length[0]))
        self._read_cell(x, "GRAPHEMES_BUF", codes)
        return "".join(map(chr, codes[0 : length[0]]))

    def _read_cell(self, x: int, what: str, out: Any) -> None:
        check(lib.ghostty_render_state_row_cells_select(self._row_cells[0], x), "select")
        key = getattr(lib, f"GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_{what}")
        check(lib.ghostty_render_state_row_cells_get(self._row_cells[0], key, out), what)


def _render_handles() -> tuple[Any, Any, Any]:
    """Creates a render state, its row iterator and its cell cursor. Each is freed with its Python object."""
    handles = []
    for name in ("render_state", "render_state_row_iterator", "render_state_row_cells"):
        ctype = {"render_state": "GhosttyRenderState", "render_state_row_iterator": "GhosttyRenderStateRowIterator"}
        out = ffi.new(ctype.get(name, "GhosttyRenderStateRowCells") + "*")
        check(getattr(lib, f"ghostty_{name}_new")(ffi.NULL, out), name)
        handles.append(ffi.gc(out, _make_free(name)))
    return handles[0], handles[1], handles[2]


def _make_free(name: str) -> Any:
    free = getattr(lib, f"ghostty_{name}_free")
    return lambda out: free(out[0])


def _convert_color(color: Any) -> Colour | None:
    if color.tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
        return int(color.value.palette)
    if color.tag == lib.GHOSTTY_STYLE_COLOR_RGB:
        rgb = color.value.rgb
        return (int(rgb.r), int(rgb.g), int(rgb.b))
    return None


def _blank_style(tag: int, content: int) -> TextStyle:
    """Returns the style of an erased cell, which stores its background in place of a character."""
    if tag == _RGB_BACKGROUND:
        return TextStyle(background=(content & 0xFF, content >> 8 & 0xFF, content >> 16 & 0xFF))
    return TextStyle(background=content & 0xFF)
