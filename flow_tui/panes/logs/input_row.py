"""The input row of the logs pane: for a search, a place to go to, a shell command, or the name of a bookmark."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from flow_tui.panes.logs.row_kind import SEARCHES, RowKind
from flow_tui.panes.logs.search_mode import SearchMode
from flow_tui.widgets.announce import announce

_HISTORY_MAX = 100


class InputRow(Horizontal):
    """An input with a mark before it and its mode after it. Each kind has its own history.

    `ctrl+r` switches the mode, `up` and `down` show earlier texts. The history is also that of the row that it shares.
    """

    DEFAULT_CSS = """
    InputRow { display: none; height: 1; padding: 0 1; }
    InputRow > Static { width: auto; height: 1; color: $muted; }
    InputRow > Input { width: 1fr; height: 1; border: none; padding: 0; margin: 0 1; }
    """

    @dataclass
    class Submitted(Message):
        """The user pressed enter. `is_alternate`: the exact text of a search, or the raw log for a command.

        Without text, it is that of the last text of this kind.
        """

        kind: RowKind
        text: str
        is_alternate: bool

    @dataclass
    class Changed(Message):
        """The user changed the text or the mode. `is_alternate` is the one of `Submitted`."""

        kind: RowKind
        text: str
        is_alternate: bool

    def __init__(self, shares: InputRow | None = None) -> None:
        super().__init__()
        self.kind = RowKind.SEARCH
        self.input = Input(compact=True, select_on_focus=False)
        self._mark, self._mode = Static(markup=False), Static(markup=False)
        self._histories: defaultdict[RowKind, deque[str]] = (
            defaultdict(lambda: deque(maxlen=_HISTORY_MAX)) if shares is None else shares._histories
        )
        self._back = 0
        self._typed = ""
        self._search_mode = SearchMode()
        self._is_raw, self._has_raw = False, True
        self._was_alternate: dict[RowKind, bool] = {} if shares is None else shares._was_alternate
        self._source = ""

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

    def open(self, kind: RowKind, source: str = "", *, has_raw: bool = True) -> None:
        """Shows the row with an empty input, and gives it the focus.

        `source` names what a command gets, and `has_raw` is whether it can get the raw log instead.
        """
        self.kind, self._back, self._typed = kind, 0, ""
        self._source, self._is_raw, self._has_raw = source, False, has_raw
        self._search_mode.reset()
        mark, placeholder = kind.value
        self._mark.update(mark)
        self.input.placeholder = placeholder
        self.input.value = ""
        self._show_mode()
        self.display = True
        self.input.focus()

    def close(self) -> None:
        self.display = False

    def is_alternate(self, text: str) -> bool:
        """Returns whether a search for this text is for the exact text, or a command gets the raw log."""
        return self._search_mode.is_literal(text) if self.kind in SEARCHES else self._is_raw

    def on_key(self, event: events.Key) -> None:
        steps = {"up": 1, "down": -1}
        if event.key in steps:
            self._recall(self._back + steps[event.key])
        elif event.key == "ctrl+r":
            self._switch_mode()
        else:
            return
        event.stop()
        event.prevent_default()

    def _switch_mode(self) -> None:
        if self.kind in SEARCHES:
            self._search_mode.switch(self.input.value)
        else:
            self._is_raw = self._has_raw and not self._is_raw
        self._announce_change()

    def _show_mode(self) -> None:
        modes = {
            **dict.fromkeys(SEARCHES, f"{self._search_mode.describe(self.input.value)}  ctrl+r"),
            RowKind.PIPE: f"{'raw log' if self._is_raw else self._source}{'  ctrl+r' if self._has_raw else ''}",
        }
        self._mode.update(modes.get(self.kind, ""))

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
    def _take_change(self, message: Input.Changed) -> None:
        message.stop()
        self._announce_change()

    def _announce_change(self) -> None:
        self._show_mode()
        if self.is_open:
            text = self.input.value
            announce(self, self.Changed(self.kind, text, self.is_alternate(text)))

    @on(Input.Submitted)
    def _submit(self, message: Input.Submitted) -> None:
        message.stop()
        text, kind = message.value, self.kind
        if text:
            history = self._histories[kind]
            if text in history:
                history.remove(text)
            history.append(text)
            self._was_alternate[kind] = self.is_alternate(text)
        self._back = 0
        announce(self, self.Submitted(kind, text, self._was_alternate.get(kind, False)))
