"""Textual's list of options, safe in a terminal without room for it."""

from __future__ import annotations

from textual.widgets import OptionList


class RowsList(OptionList):
    """A list whose page keys do nothing while its rows are not laid out; Textual looks up lines that it hasn't yet."""

    def action_page_up(self) -> None:
        if self._lines:
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self._lines:
            super().action_page_down()  # type: ignore[no-untyped-call]
