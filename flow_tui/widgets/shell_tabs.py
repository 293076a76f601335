"""A row of tabs with one tab in front."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from flow_tui.widgets.announce import announce

_LONGEST = 28


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab. `number` identifies it in messages. Its text is foreign, but printable."""

    number: int
    text: str
    is_front: bool = False
    is_marked: bool = False


class Tabs(Widget):
    """A row of as many tabs as fit, which includes the one in front. A click posts `Picked`."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; }
    """

    @dataclass
    class Picked(Message):
        """The user clicked this tab."""

        number: int

    tabs: reactive[tuple[Tab, ...]] = reactive(())

    def render(self) -> Content:
        return Content("").join(Content.styled(text, _style(tab)) for tab, text, _ in self._place_tabs())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for tab, text, start in self._place_tabs():
            if start <= event.x < start + cell_len(text):
                announce(self, self.Picked(tab.number))

    def _place_tabs(self) -> list[tuple[Tab, str, int]]:
        """Returns each visible tab with its text and its column. The tab in front is among them."""
        width, front = self.content_size.width, next((i for i, tab in enumerate(self.tabs) if tab.is_front), 0)
        texts = [f" {_shorten(tab.text)} " for tab in self.tabs]
        first = 0
        while first < front and sum(map(cell_len, texts[first : front + 1])) > width:
            first += 1
        placed, x = [], 0
        for tab, text in list(zip(self.tabs, texts, strict=True))[first:]:
            placed.append((tab, text, x))
            x += cell_len(text)
        return placed


def _shorten(text: str) -> str:
    return text if cell_len(text) <= _LONGEST else set_cell_size(text, _LONGEST - 1).rstrip() + "…"


def _style(tab: Tab) -> str:
    if tab.is_front:
        return "bold reverse"
    return "bold $warning" if tab.is_marked else "$muted"
