"""The parts of every dialog: a frame, a body that scrolls, and a foot that is in view at any size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Generic

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.modal import Answer, Modal

_LABEL_WIDTH = 14
_LABEL_GAP = 2
_LONGEST_LABEL = 28
Hints = Sequence[tuple[str, str]]
"""(key, its effect), in the order in which they are shown."""


def to_safe_content(text: str, style: str = "") -> Content:
    """Makes foreign text of any number of lines safe to draw: without markup and control characters."""
    lines = "\n".join(escape_controls(line.replace("\t", "    ")) for line in text.splitlines())
    return Content.styled(lines, style) if style else Content(lines)


class Dialog(Modal[Answer], Generic[Answer]):
    """A framed dialog. Subclasses define `compose_body` and `compose_footer`; the hints come last."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")  # absolute, because subclasses are in other folders

    def __init__(self, heading: str, hints: Hints) -> None:
        super().__init__(classes="dialog")
        # Created here and not queried: a message may come before they are mounted, or after they are removed.
        self.frame = Vertical(classes="dialog-frame")
        self.scrolled = VerticalScroll(classes="dialog-body", can_focus=False)
        self._heading = escape_controls(heading)
        self._hints = hints

    def compose(self) -> ComposeResult:
        with self.frame:
            self.frame.border_title = Content(self._heading)
            with self.scrolled:
                yield from self.compose_body()
            with Vertical(classes="dialog-foot"):
                yield from self.compose_footer()
                with Horizontal(classes="dialog-keys"):
                    yield from self.compose_buttons()
                    yield self.compose_hints()

    def compose_body(self) -> Iterable[Widget]:
        """Returns the widgets of the body, which scrolls."""
        return ()

    def compose_footer(self) -> Iterable[Widget]:
        """Returns the widgets above the keys, which are always in view."""
        return ()

    def compose_buttons(self) -> Iterable[Widget]:
        """Returns the buttons left of the hints."""
        return ()

    def action_scroll(self, rows: int) -> None:
        self.scrolled.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        self.scrolled.scroll_relative(y=pages * max(1, self.scrolled.size.height - 1), animate=False)

    def compose_hints(self) -> Widget:
        """Returns the widget that shows the hints. It cuts those that don't fit into one line."""
        return Static(Content("  ").join(map(_render_hint, self._hints)), classes="dialog-hints")


def measure_labels(labels: Iterable[str]) -> int:
    """Returns the width of a column of labels with the gap after it. A label that is too long wraps in its column."""
    return min(max((cell_len(label) for label in labels), default=0), _LONGEST_LABEL) + _LABEL_GAP


class Fact(Horizontal):
    """A label and its value, which wraps beside the label. `width` aligns the values of several facts."""

    def __init__(self, label: str, value: str, *, width: int = 0, classes: str = "") -> None:
        super().__init__(classes=f"fact {classes}")
        self._label = label
        self._value = value
        self._width = max(width, measure_labels([label]), _LABEL_WIDTH)
        self._shown = Static(to_safe_content(value), classes="fact-value")

    def compose(self) -> ComposeResult:
        label = Static(to_safe_content(self._label), classes="fact-label")
        label.styles.width = self._width
        yield label
        yield self._shown

    def change(self, value: str) -> None:
        if value != self._value:
            self._value = value
            self._shown.update(to_safe_content(value))


class HintLines(Widget):
    """Hints in as many lines as they need. No line ends between a key and its effect."""

    hints: reactive[Hints] = reactive[Hints]((), layout=True)

    def __init__(self, hints: Hints) -> None:
        super().__init__(classes="dialog-hints")
        self.set_reactive(HintLines.hints, hints)

    def render(self) -> Content:
        return Content("\n").join(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        lines: list[Content] = []
        for hint in map(_render_hint, self.hints):
            if lines and lines[-1].cell_length + 2 + hint.cell_length <= width:
                lines[-1] = Content("  ").join([lines[-1], hint])
            else:
                lines.append(hint)
        return lines


class Reader(Dialog[Answer], Generic[Answer]):
    """A dialog with a page to read. The keys of vim and paging keys scroll it; esc and q close it."""

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
        self.action_finish()

    def action_top(self) -> None:
        self.scrolled.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.scrolled.scroll_end(animate=False)


def _render_hint(hint: tuple[str, str]) -> Content:
    key, effect = hint
    return Content.assemble((key, "bold $accent"), " ", (effect, "$muted"))
