"""The fields of a form: a label, a control, and an error message below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from flow_core.logs.escape import escape_controls
from flow_tui.dialogs.dialog import to_safe_content
from flow_tui.widgets.announce import announce
from flow_tui.widgets.option_list import RowsList
from flow_tui.widgets.raw_keys import get_raw_sequence


class FieldControl(Protocol):
    """The control of a field."""

    @property
    def entered(self) -> str: ...


def name_alt_enter(event: events.Key) -> None:
    """Names the key alt+enter if the terminal sends it as escape and enter, which Textual parses as enter."""
    if get_raw_sequence(event) in ("\x1b\r", "\x1b\n"):
        event.key = "alt+enter"


class LineInput(Input):
    """An input for one line of text. It makes control characters in pasted or preset text visible."""

    def __init__(self, value: str, *, placeholder: str = "", classes: str = "") -> None:
        super().__init__(
            escape_controls(value),
            placeholder=escape_controls(placeholder),
            compact=True,
            select_on_focus=False,
            classes=classes,
        )

    @property
    def entered(self) -> str:
        return self.value

    def validate_value(self, value: str) -> str:
        return escape_controls(value)


class LinesInput(TextArea):
    """An input for several lines, kept exactly. Tab moves to the next field. Control characters are made visible."""

    def __init__(self, value: str, *, placeholder: str = "", classes: str = "") -> None:
        super().__init__(
            value,
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder=Content(placeholder),
            classes=classes,
        )

    @property
    def entered(self) -> str:
        return self.text

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        line.plain = "\t".join(escape_controls(part) for part in line.plain.split("\t"))
        return line

    def on_key(self, event: events.Key) -> None:
        name_alt_enter(event)  # before it becomes a new line


class ChoiceInput(Widget, can_focus=True):
    """A choice of one word among a few. The arrow keys and space select the next or previous word."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,l", "turn(1)", "Next", show=False),
        Binding("left,h", "turn(-1)", "Previous", show=False),
    ]

    class Changed(Message):
        """The user chose another word."""

    index: reactive[int] = reactive(0)

    def __init__(self, words: Sequence[str], value: str = "", *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._words = tuple(words)
        if value in self._words:
            self.set_reactive(ChoiceInput.index, self._words.index(value))

    @property
    def entered(self) -> str:
        return self._words[self.index] if self._words else ""

    def render(self) -> RenderResult:
        if len(self._words) < 2:
            return to_safe_content(self.entered or "none")
        place = f"  {self.index + 1} of {len(self._words)}"
        return Content.assemble("‹ ", to_safe_content(self.entered, "bold"), " ›", (place, "$muted"))

    def action_turn(self, step: int) -> None:
        if self._words:
            self.index = (self.index + step) % len(self._words)
            announce(self, self.Changed())

    def on_click(self) -> None:
        self.action_turn(1)

    def on_key(self, event: events.Key) -> None:
        name_alt_enter(event)
        if event.key == "enter":
            event.stop()
            self.screen.focus_next()


class PickList(RowsList):
    """A list of rows to select from, with the cursor keys of the dashboard. Enter goes to the next field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G", "last", "Last", show=False),
    ]

    def __init__(self, rows: Sequence[tuple[str, str]], *, classes: str = "") -> None:
        """Creates the list. `rows` are (key, text)."""
        super().__init__(
            *(Option(to_safe_content(text)) for _, text in rows), markup=False, compact=True, classes=classes
        )
        self._keys = tuple(key for key, _ in rows)
        if self._keys:
            self.highlighted = 0

    @property
    def entered(self) -> str:
        return self._keys[self.highlighted] if self.highlighted is not None and self._keys else ""


class Field(Vertical):
    """A control with its key, its label and the error message about its value."""

    def __init__(self, key: str, label: str, control: LineInput | LinesInput | ChoiceInput | PickList) -> None:
        super().__init__(classes="field")
        self.key = key
        self._label = label
        self.control = control
        self._complaint = Static(classes="field-problem")
        self._refused: str | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-row"):
            yield Static(Content(self._label), classes="field-label")
            yield self.control
        yield self._complaint

    @property
    def entered(self) -> str:
        return self.control.entered

    def fill(self, text: str) -> None:
        """Fills the control as if the user had typed the text. A choice doesn't change."""
        if isinstance(self.control, LineInput):
            self.control.value = text
        elif isinstance(self.control, LinesInput):
            self.control.text = text

    @property
    def problem(self) -> str:
        """The error message, a sentence; empty if the value is not refused."""
        return str(self._complaint.content) if self._refused is not None else ""

    def show_error(self, text: str) -> None:
        """Shows an error message until the user changes the value."""
        self._refused = self.entered
        self._complaint.update(to_safe_content(text))
        self.add_class("-wrong")
        self.control.focus()
        self.call_after_refresh(self._reveal)

    def accept(self) -> None:
        self._refused = None
        self.remove_class("-wrong")

    async def _reveal(self) -> None:
        """Scrolls to the error message, also while the form still scrolls to the field that had the focus before."""
        if isinstance(self.parent, Widget):
            await self.parent.stop_animation("scroll_y", complete=False)
        self.scroll_visible(animate=False)

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceInput.Changed)
    @on(OptionList.OptionHighlighted)
    def _clear_problem(self) -> None:
        if self._refused is not None and self._refused != self.entered:
            self.accept()

    @on(Input.Submitted)
    @on(OptionList.OptionSelected)
    def _go_to_next_field(self, event: Message) -> None:
        event.stop()
        self.screen.focus_next()
