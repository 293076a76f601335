"""Textual's OptionList, made safe for a terminal without room for it."""

from __future__ import annotations

from textual.widgets import OptionList


class RowsList(OptionList):
    """Ignores page keys until its rows are laid out; OptionList would look up lines that don't exist yet."""

    def action_page_up(self) -> None:
        if self._lines:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self._lines:
            super().action_page_down()  # type: ignore[no-untyped-call]
