"""The input line of a filter, which completes the word that is typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.suggester import Suggester
from textual.widgets import Input

Complete = Callable[[str], Sequence[str]]


class _Completions(Suggester):
    def __init__(self, complete: Complete) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._complete = complete

    async def get_suggestion(self, value: str) -> str | None:
        return next((found for found in self._complete(value) if found.startswith(value)), None)


class FilterLine(Input):
    """A line whose completion is shown behind the cursor. `tab` and `right` take it."""

    def __init__(self, complete: Complete) -> None:
        super().__init__(placeholder="filter", compact=True, select_on_focus=False, suggester=_Completions(complete))

    def on_key(self, event: events.Key) -> None:
        if event.key == "tab" and self._suggestion:
            self.action_cursor_right()
            event.stop()
            event.prevent_default()
