"""Textual's OptionList, made safe for a terminal without room for its rows."""

from __future__ import annotations

from textual.widgets import OptionList


class RowsList(OptionList):
    """A list that ignores page keys until its rows are laid out. OptionList would access lines that don't exist yet."""

    def action_page_up(self) -> None:
        if self._lines:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self._lines:
            super().action_page_down()  # type: ignore[no-untyped-call]
