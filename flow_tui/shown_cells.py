"""The cells that the terminal shows, so that a frame sends only the cells that differ.

Textual draws whole regions, with every line in them, whether it has changed or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Size
from textual.strip import Strip

from flow_tui.pen import PLAIN_PEN, Pen, make_pen, switch_pen

_UNKNOWN = "\0"
_GAP_MAX = 4
"""Cells between two changes that are sent again, because moving the cursor over them would take as many bytes."""
_ONE_CELL_EACH = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u03ff\u0400-\u0481\u2010-\u2027\u2030-\u205e\u2190-\u2317\u2400-\u2424"
    "\u2500-\u25fc\u2713-\u2718\u2800-\u28ff]*"
)
"""Characters whose width all terminals agree on."""


class ShownCells:
    """The cells on the terminal, as far as they are known.

    If a line contains characters that terminals may draw wider or narrower than Rich assumes, any change draws the
    whole piece of the line again. So what such a character displaces doesn't stay.
    """

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._texts: list[list[str]] = []
        """The text of each cell; "" for a cell that a wide character to its left covers."""
        self._pens: list[list[Pen]] = []

    def forget(self) -> None:
        """Notes that the terminal may show something else now, so that everything is sent again."""
        self._resize(self._size)

    def draw(self, update: ChopsUpdate | LayoutUpdate, size: Size, colours: ColorSystem) -> str:
        """Returns what makes the terminal show the update; "" if it shows it already.

        `size` is that of the terminal. The terminal must get the result before that of the next call.
        """
        if size != self._size:
            self._resize(size)
        output: list[str] = []
        pen = PLAIN_PEN
        for y, x, strip in _list_pieces(update):
            if 0 <= y < size.height and x < size.width:
                pen = self._draw_piece(y, x, *_list_cells(strip, colours), output, pen)
        output.append(switch_pen(pen, PLAIN_PEN))
        return "".join(output)

    def _resize(self, size: Size) -> None:
        self._size = size
        self._texts = [[_UNKNOWN] * size.width for _ in range(size.height)]
        self._pens = [[PLAIN_PEN] * size.width for _ in range(size.height)]

    def _draw_piece(self, y: int, x: int, texts: list[str], pens: list[Pen], output: list[str], pen: Pen) -> Pen:
        """Appends the cells of one piece of a line that have changed. Returns the pen that drew the last one."""
        room = self._size.width - x
        texts, pens = texts[:room], pens[:room]
        place = slice(x, x + len(texts))
        shown_texts, shown_pens = self._texts[y][place], self._pens[y][place]
        if texts == shown_texts and pens == shown_pens:
            return pen
        self._texts[y][place], self._pens[y][place] = texts, pens
        for start, end in _find_changes(shown_texts, shown_pens, texts, pens):
            output.append(f"\x1b[{y + 1};{x + start + 1}H")
            for drawn, run in groupby(pens[start:end]):
                width = sum(1 for _ in run)
                output.append(switch_pen(pen, drawn))
                output.append("".join(texts[start : start + width]))
                pen, start = drawn, start + width
        return pen


def _list_pieces(update: ChopsUpdate | LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Yields the row, the column and the content of each piece of a line that an update draws."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for whole in strips:
                yield y, x, whole
                x += whole.cell_length
        return
    for y, left, right in update.spans:
        for (x, strip), end in zip(update.chops[y].items(), update.chop_ends[y], strict=True):
            if strip is not None and x < right and end > left:
                yield y, max(x, left), strip.crop(max(0, left - x), right - x)


def _list_cells(strip: Strip, colours: ColorSystem) -> tuple[list[str], list[Pen]]:
    """Returns the text and the pen of each cell. Text of an unclear width is in its first cell."""
    texts: list[str] = []
    pens: list[Pen] = []
    for text, style, _ in strip:
        if text.isascii() or _ONE_CELL_EACH.fullmatch(text):
            texts += text
            width = len(text)
        elif width := cell_len(text):
            texts += [text, *[""] * (width - 1)]
        elif texts:
            texts[-1] += text
        pens += [make_pen(style, colours)] * width
    return texts, pens


def _find_changes(
    shown_texts: list[str], shown_pens: list[Pen], texts: list[str], pens: list[Pen]
) -> Iterator[tuple[int, int]]:
    """Yields the ranges of cells to draw again, of cells that are not all equal."""
    if not (_is_certain(shown_texts) and _is_certain(texts)):
        yield 0, len(texts)
        return
    if shown_pens == pens:
        changed = [at for at, (shown, text) in enumerate(zip(shown_texts, texts, strict=True)) if shown != text]
    else:
        pairs = enumerate(zip(shown_texts, texts, shown_pens, pens, strict=True))
        changed = [at for at, (shown, text, was, is_) in pairs if shown != text or (was is not is_ and was != is_)]
    if 2 * len(changed) > len(texts):
        yield changed[0], changed[-1] + 1
        return
    start = end = changed[0]
    for at in changed:
        if at - end > _GAP_MAX or any(pen != pens[end - 1] for pen in pens[end:at]):
            yield start, end
            start = at
        end = at + 1
    yield start, end


def _is_certain(texts: list[str]) -> bool:
    line = "".join(texts)
    if len(line) != len(texts):
        return False
    return line.isascii() or _ONE_CELL_EACH.fullmatch(line.replace(_UNKNOWN, " ")) is not None
