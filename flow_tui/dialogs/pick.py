"""A short list to choose an entry from, such as the text to copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from flow_tui.dialogs.modal import Modal
from flow_tui.widgets.option_list import RowsList


@dataclass(frozen=True, slots=True)
class PickOption:
    """A line of the list: a word, its value, and the note beside the word. The default note is the value."""

    label: str
    value: str
    note: str | None = None

    @property
    def shown(self) -> str:
        return _shorten(self.value if self.note is None else self.note)


class Pick(Modal[str | None]):
    """A short list. Its answer is the value of the chosen line, or None."""

    DEFAULT_CSS = """
    Pick { align: center middle; }
    Pick > Vertical { width: 70; max-width: 95%; height: auto; max-height: 90%; border: heavy $accent; }
    Pick OptionList { height: auto; min-width: 8; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "finish", "close"),
        Binding("j", "next", show=False),
        Binding("k", "previous", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[PickOption]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices
        width = max((len(choice.label) for choice in choices), default=0) + 2
        self._list = RowsList(*(Option(Content(f"{c.label:<{width}}{c.shown}")) for c in choices))

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("enter choose  esc close")
            yield self._list

    def action_next(self) -> None:
        self._list.action_cursor_down()

    def action_previous(self) -> None:
        self._list.action_cursor_up()

    @on(OptionList.OptionSelected)
    def _answer(self, event: OptionList.OptionSelected) -> None:
        self.finish(self._choices[event.option_index].value)


def _shorten(value: str) -> str:
    line = " ".join(value.split())
    line = "".join(char if char.isprintable() else "�" for char in line)
    return line if len(line) <= 50 else line[:49] + "…"
