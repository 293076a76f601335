"""What every question shares: a frame, a body that scrolls, and a foot that stays in view at any size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from flow_core.logs.visible import visible

Answer = TypeVar("Answer")
Hints = Sequence[tuple[str, str]]
"""(key, what it does), in the order they are shown."""


def shown(text: str, style: str = "") -> Content:
    """Foreign text of any number of lines, as it may be drawn: no markup, no control characters."""
    lines = "\n".join(visible(line.replace("\t", "    ")) for line in text.splitlines())
    return Content.styled(lines, style) if style else Content(lines)


class Dialog(ModalScreen[Answer], Generic[Answer]):
    """A framed question. Subclasses fill `body` and `foot`; the hints come last."""

    CSS_PATH = "dialogs.tcss"
    # The app's own keys end at a modal screen; leaving has to work from everywhere.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "app.interrupt", show=False)]

    def __init__(self, heading: str, hints: Hints) -> None:
        super().__init__(classes="dialog")
        self._heading = visible(heading)
        self._hints = hints
        self._late_answer: tuple[Answer] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog-frame") as frame:
            frame.border_title = Content(self._heading)
            with VerticalScroll(classes="dialog-body", can_focus=False):
                yield from self.body()
            with Vertical(classes="dialog-foot"):
                yield from self.foot()
                with Horizontal(classes="dialog-keys"):
                    yield from self.buttons()
                    yield Static(_hint_line(self._hints), classes="dialog-hints")

    def body(self) -> Iterable[Widget]:
        """What scrolls."""
        return ()

    def foot(self) -> Iterable[Widget]:
        """What stays in view above the keys."""
        return ()

    def buttons(self) -> Iterable[Widget]:
        """What can be clicked, left of the hints."""
        return ()

    @property
    def scrolled(self) -> VerticalScroll:
        return self.query_one(".dialog-body", VerticalScroll)

    def finish(self, answer: Answer) -> None:
        """Closes with this answer, once nothing lies on top: `dismiss` would close that instead."""
        if self.is_active:
            self.dismiss(answer)
        else:
            self._late_answer = (answer,)

    def on_screen_resume(self) -> None:
        if self._late_answer is not None:
            self.dismiss(self._late_answer[0])


class Fact(Horizontal):
    """A label and what is known, which wraps beside it."""

    def __init__(self, label: str, value: str, *, classes: str = "") -> None:
        super().__init__(classes=f"fact {classes}")
        self._label = label
        self._value = value

    def compose(self) -> ComposeResult:
        yield Static(shown(self._label), classes="fact-label")
        yield Static(shown(self._value), classes="fact-value")

    def change(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self.query_one(".fact-value", Static).update(shown(value))


class Reader(Dialog[None]):
    """Something to read: vim and paging keys scroll it, esc and q close it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", id="reader.close", tooltip="Back to where you were"),
        Binding("j,down", "scroll(1)", "Down", show=False, id="reader.down"),
        Binding("k,up", "scroll(-1)", "Up", show=False, id="reader.up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="reader.page_down"),
        Binding("pageup,b", "page(-1)", "Page up", show=False, id="reader.page_up"),
        Binding("g,home", "top", "Top", show=False, id="reader.top"),
        Binding("G,end", "bottom", "Bottom", show=False, id="reader.bottom"),
    ]

    def action_close(self) -> None:
        self.finish(None)

    def action_scroll(self, rows: int) -> None:
        self.scrolled.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self.scrolled.scroll_relative(y=pages * max(1, self.scrolled.size.height - 1), animate=False)

    def action_top(self) -> None:
        self.scrolled.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.scrolled.scroll_end(animate=False)


def _hint_line(hints: Hints) -> Content:
    parts = [Content.assemble((key, "bold $accent"), " ", (meaning, "$muted")) for key, meaning in hints]
    return Content("  ").join(parts)
