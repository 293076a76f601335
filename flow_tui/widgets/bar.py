"""A one-row bar of styled texts, such as the header, the tabs and the footer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Piece:
    """A text of a bar. `style` is a style of Textual, such as "$muted" or "bold $accent"."""

    text: str
    style: str = ""


class Bar(Widget):
    """A bar with pieces at the left and at the right edge. It omits pieces that don't fit, the last piece first."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; padding: 0 1; }
    """

    left: reactive[tuple[Piece, ...]] = reactive(())
    right: reactive[tuple[Piece, ...]] = reactive(())

    def __init__(self, *, id: str, gap: int = 2) -> None:
        super().__init__(id=id)
        self._gap = gap

    def render(self) -> Content:
        width = self.content_size.width
        right = _select_fitting(self.right, width, self._gap)
        left = _select_fitting(
            self.left, width - _total_width(right, self._gap) - (self._gap if right else 0), self._gap
        )
        filling = width - _total_width(left, self._gap) - _total_width(right, self._gap)
        return self._row(left) + Content(" " * max(0, filling)) + self._row(right)

    def _row(self, pieces: Sequence[Piece]) -> Content:
        return Content(" " * self._gap).join(Content.styled(piece.text, piece.style) for piece in pieces)


def _select_fitting(pieces: Sequence[Piece], width: int, gap: int) -> list[Piece]:
    fitting: list[Piece] = []
    for piece in pieces:
        if _total_width([*fitting, piece], gap) > width:
            break
        fitting.append(piece)
    return fitting


def _total_width(pieces: Sequence[Piece], gap: int) -> int:
    return sum(cell_len(piece.text) for piece in pieces) + gap * max(0, len(pieces) - 1)
