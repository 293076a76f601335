"""Shows each redraw as a line of its own, as it came, instead of the last state of what was redrawn."""

from __future__ import annotations

from flow_core.logs.shown.screen import LiveScreen
from flow_core.logs.text_style import PLAIN, TextStyle

_REDRAWS = frozenset(b"ABDEFGHJKLMPX@`adefsu")
"""The final bytes of the sequences after which text replaces other text, or continues elsewhere."""


class RedrawScreen(LiveScreen):
    """A terminal that never moves back: where output would redraw something, it begins a new row."""

    def __init__(self, offset: int, style: TextStyle = PLAIN) -> None:
        super().__init__(offset, style)
        self._is_redraw = False

    def write(self, text: str, offset: int) -> None:
        if not text:
            return
        if self._is_redraw and not self.stack.is_empty(self.row):
            self._feed_newline(offset)
        self._is_redraw = False
        super().write(text, offset)

    def _feed_newline(self, offset: int) -> None:
        self._is_redraw = False
        super()._feed_newline(offset)

    def _feed_redraws(self, line: bytes, offset: int) -> bool:
        return b"\r" not in line and super()._feed_redraws(line, offset)

    def _feed_bars(self, data: bytes, position: int, end: int, base: int) -> int:
        return position

    def _apply_csi(self, params: bytes, final: bytes, now: int) -> None:
        self._is_redraw = self._is_redraw or final[0] in _REDRAWS

    def _apply_control(self, control: bytes, now: int) -> None:
        if control[0] in b"\r\x08\x0b\x0c":
            self._is_redraw = True
        else:
            super()._apply_control(control, now)

    def _apply_escape(self, final: bytes, now: int) -> None:
        self._is_redraw = self._is_redraw or final in (b"7", b"8", b"D", b"E", b"M", b"c")
