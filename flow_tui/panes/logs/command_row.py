"""The input row of the logs pane: for a search, a place to go to, a shell command, or the name of a bookmark."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from enum import Enum

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from flow_tui.widgets.announce import announce

_HISTORY_MAX = 100


class RowKind(Enum):
    """What the row asks for: the mark before the input, and the text in an empty input."""

    SEARCH = ("/", "search; enter repeats the last one, up shows it")
    GO_TO = (":", "a line, or a time: 120, 14:05, 2026-01-02 14:05, -10m")
    PIPE = ("|", "a shell command that gets the text, such as grep -c loss")
    BOOKMARK = ("bookmark", "its name, or nothing")


class CommandRow(Horizontal):
    """An input with a mark before it and its mode after it. Each kind has its own history.

    `ctrl+r` switches the mode, `up` and `down` show earlier texts. The owner shows the mode with `show_mode`.
    """

    DEFAULT_CSS = """
    CommandRow { display: none; height: 1; padding: 0 1; }
    CommandRow > Static { width: auto; height: 1; color: $muted; }
    CommandRow > Input { width: 1fr; height: 1; border: none; padding: 0; margin: 0 1; }
    """

    @dataclass
    class Submitted(Message):
        """The user pressed enter."""

        kind: RowKind
        text: str

    @dataclass
    class Changed(Message):
        """The user changed the text."""

        kind: RowKind
        text: str

    @dataclass
    class ModeSwitched(Message):
        """The user wants the other mode."""

        kind: RowKind

    def __init__(self) -> None:
        super().__init__()
        self.kind = RowKind.SEARCH
        self.input = Input(compact=True, select_on_focus=False)
        self._mark, self._mode = Static(markup=False), Static(markup=False)
        self._histories: defaultdict[RowKind, deque[str]] = defaultdict(lambda: deque(maxlen=_HISTORY_MAX))
        self._back = 0
        self._typed = ""

    def compose(self) -> ComposeResult:
        yield self._mark
        yield self.input
        yield self._mode

    @property
    def is_open(self) -> bool:
        return bool(self.display)

    @property
    def last(self) -> str:
        """The last text of this kind that was submitted; "" if there is none."""
        history = self._histories[self.kind]
        return history[-1] if history else ""

    def open(self, kind: RowKind) -> None:
        """Shows the row with an empty input, and gives it the focus."""
        self.kind, self._back, self._typed = kind, 0, ""
        mark, placeholder = kind.value
        self._mark.update(mark)
        self.show_mode("")
        self.input.placeholder = placeholder
        self.input.value = ""
        self.display = True
        self.input.focus()

    def close(self) -> None:
        self.display = False

    def show_mode(self, text: str) -> None:
        self._mode.update(text)

    def on_key(self, event: events.Key) -> None:
        steps = {"up": 1, "down": -1}
        if event.key in steps:
            self._recall(self._back + steps[event.key])
        elif event.key == "ctrl+r":
            announce(self, self.ModeSwitched(self.kind))
        else:
            return
        event.stop()
        event.prevent_default()

    def _recall(self, back: int) -> None:
        """Shows the text that was submitted `back` texts ago; 0 is what the user typed."""
        history = self._histories[self.kind]
        if not 0 <= back <= len(history):
            return
        if self._back == 0:
            self._typed = self.input.value
        self._back = back
        self.input.value = history[-back] if back else self._typed
        self.input.cursor_position = len(self.input.value)

    @on(Input.Changed)
    def _announce_change(self, message: Input.Changed) -> None:
        message.stop()
        announce(self, self.Changed(self.kind, message.value))

    @on(Input.Submitted)
    def _submit(self, message: Input.Submitted) -> None:
        message.stop()
        history = self._histories[self.kind]
        if message.value:
            if message.value in history:
                history.remove(message.value)
            history.append(message.value)
        self._back = 0
        announce(self, self.Submitted(self.kind, message.value))
