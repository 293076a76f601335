"""The row below the log."""

from __future__ import annotations

from textual.widgets import Static


class StatusRow(Static):
    """The status of the search and of the filters, or a note that covers them.

    While a search is active, the row also stays without text: without it, the log would grow and lose a match at its
    end.
    """

    DEFAULT_CSS = """
    StatusRow { display: none; height: 1; padding: 0 1; color: $muted; }
    StatusRow.-problem { color: $text-error; }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._search = ("", False)
        self._filter = ("", False)
        self._note = ("", False)
        self._shown = ""
        self._is_kept = False

    def show_search(self, text: str, *, is_problem: bool = False) -> None:
        """Shows the status of the search from now on."""
        self._search, self._is_kept = (text, is_problem), self._is_kept or bool(text)
        self._draw()

    def end_search(self) -> None:
        self._search, self._is_kept = ("", False), False
        self._draw()

    def show_filter(self, text: str, *, is_problem: bool = False) -> None:
        """Shows the status of the filters from now on; "" ends it."""
        self._filter = (text, is_problem)
        self._draw()

    def show_note(self, text: str, *, is_problem: bool = False) -> None:
        """Shows a note instead of the status of the search; "" ends the note."""
        self._note = (text, is_problem)
        self._draw()

    def _draw(self) -> None:
        shown = [self._note] if self._note[0] else [one for one in (self._search, self._filter) if one[0]]
        text, is_problem = "   ".join(text for text, _ in shown), any(problem for _, problem in shown)
        if text != self._shown:  # each update lays out the screen
            self._shown = text
            self.update(text)
        self.set_class(is_problem, "-problem")
        self.display = bool(text) or self._is_kept
