"""A short list to pick one from, such as what to copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of the list: a word, the value it stands for, and what is shown beside it: the value, unless said."""

    label: str
    value: str
    note: str | None = None

    @property
    def shown(self) -> str:
        return _short(self.value if self.note is None else self.note)


class Pick(ModalScreen[str | None]):
    """Answers the value of the chosen line, or None."""

    DEFAULT_CSS = """
    Pick { align: center middle; }
    Pick > Vertical { width: 70; max-width: 95%; height: auto; max-height: 90%; border: heavy $accent; }
    Pick OptionList { height: auto; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close"),
        Binding("j", "next", show=False),
        Binding("k", "previous", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        width = max((len(choice.label) for choice in self._choices), default=0) + 2
        with Vertical() as box:
            box.border_title = Content(self._title)
            yield OptionList(*(Option(Content(f"{c.label:<{width}}{c.shown}")) for c in self._choices))

    def action_next(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_previous(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].value)


def _short(value: str) -> str:
    line = " ".join(value.split())
    line = "".join(char if char.isprintable() else "�" for char in line)
    return line if len(line) <= 50 else line[:49] + "…"
