"""Every key that acts where you are: searchable, and a way to act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

_KEYS_WIDTH_MAX = 24


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """One action and its keys. `reason` says why it can't be done now, None when it can."""

    keys: str
    label: str
    tooltip: str
    action_id: str
    reason: str | None = None

    def matches(self, words: Sequence[str]) -> bool:
        """True when every word is somewhere in what is shown, or in the action's id."""
        text = f"{self.keys} {self.label} {self.tooltip} {self.action_id}".casefold()
        return all(word in text for word in words)


class _Search(Input):
    # Here and with priority: what a text field may take as text, Textual keeps from every binding above it.
    BINDINGS = [Binding("question_mark", "screen.close", "Close", id="help.toggle", priority=True, show=False)]


class HelpScreen(ModalScreen[str | None]):
    """Answers with the id of the chosen action, or None. An action that can't be done now can't be chosen."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > Vertical {
            width: 78;
            max-width: 94%;
            height: auto;
            max-height: 86%;
            border: round $primary;
            border-title-color: $primary;
            background: $surface;
            padding: 0 1;
        }
        Input, Input:focus { border: none; height: 1; padding: 0; margin-bottom: 1; background: $boost; }
        OptionList { border: none; height: auto; max-height: 1fr; padding: 0; background: $surface; }
        #detail { height: auto; max-height: 4; min-height: 1; margin-top: 1; color: $text-muted; }
        #detail.-unavailable { color: $text-warning; }
    }
    """
    BINDINGS = [
        Binding("escape", "close", "Close", id="help.close"),
        Binding("down", "move('cursor_down')", "Down", id="help.down", show=False),
        Binding("up", "move('cursor_up')", "Up", id="help.up", show=False),
        Binding("pagedown", "move('page_down')", "Page down", id="help.page_down", show=False),
        Binding("pageup", "move('page_up')", "Page up", id="help.page_up", show=False),
    ]

    _search = query_one(_Search)
    _list = query_one(OptionList)
    _detail = query_one("#detail", Static)

    def __init__(self, title: str, entries: Sequence[HelpEntry]) -> None:
        super().__init__()
        self._title = title
        self._entries = tuple(entries)
        self._shown: tuple[HelpEntry, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._title)
            yield _Search(placeholder="type to search")
            options = OptionList(markup=False)
            options.can_focus = False  # the search field keeps the keys
            yield options
            yield Static(id="detail", markup=False)

    def on_mount(self) -> None:
        self._search.focus()
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self) -> None:
        self._choose(self._list.highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._choose(event.option_index)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._explain(self._shown[event.option_index])

    def action_close(self) -> None:
        self.dismiss(None)

    async def action_move(self, where: str) -> None:
        await self._list.run_action(where)

    def _show(self, query: str) -> None:
        words = query.casefold().split()
        self._shown = tuple(entry for entry in self._entries if entry.matches(words))
        width = min(max((len(entry.keys) for entry in self._entries), default=0), _KEYS_WIDTH_MAX)
        self._list.set_options([Option(_row(entry, width)) for entry in self._shown])
        if self._shown:
            self._list.highlighted = 0
            self._explain(self._shown[0])
        else:
            self._detail.update("No key does that. ctrl+p searches every command.")
            self._detail.remove_class("-unavailable")

    def _explain(self, entry: HelpEntry) -> None:
        self._detail.update(entry.tooltip if entry.reason is None else f"Not now: {entry.reason}")
        self._detail.set_class(entry.reason is not None, "-unavailable")

    def _choose(self, index: int | None) -> None:
        if index is None or not self._shown:
            return
        entry = self._shown[index]
        if entry.reason is None:
            self.dismiss(entry.action_id)
        else:
            self.app.bell()


def _row(entry: HelpEntry, keys_width: int) -> Content:
    label_style = "" if entry.reason is None else "$text-muted"
    keys_style = "bold $primary" if entry.reason is None else "$text-muted"
    return Content.assemble((entry.keys.rjust(keys_width), keys_style), "  ", (entry.label, label_style))
