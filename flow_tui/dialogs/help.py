"""A searchable list of keys; Enter chooses an action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from flow_tui.dialogs.modal import Modal
from flow_tui.keymap import Keymap
from flow_tui.widgets.option_list import RowsList

_KEYS_WIDTH_MAX = 24
_ROWS_AROUND = 9  # the frame, the search field and up to four rows of explanation, with their margins


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """An action and its keys. `reason` is why the action can't be done now; None if it can."""

    keys: str
    label: str
    tooltip: str
    action_id: str
    reason: str | None = None

    def matches(self, words: Sequence[str]) -> bool:
        """Returns whether each word occurs in the keys, the texts or the id of the action."""
        text = f"{self.keys} {self.label} {self.tooltip} {self.action_id}".casefold()
        return all(word in text for word in words)


class _Search(Input):
    # It needs priority: Textual passes printable keys to the text field and not to bindings of parent widgets.
    BINDINGS = [Binding("question_mark", "screen.close_again", "Close", id="app.help", priority=True, show=False)]


class HelpScreen(Modal[str | None]):
    """A list of actions. The answer is the id of the chosen one, or None. Actions with a `reason` can't be chosen."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > Vertical {
            width: 78;
            max-width: 94%;
            height: 86%;
            border: round $primary;
            border-title-color: $primary;
            background: $surface;
            padding: 0 1;
        }
        Input, Input:focus { border: none; height: 1; padding: 0; margin-bottom: 1; background: $panel; }
        OptionList { border: none; height: 1fr; padding: 0; background: $surface; }
        OptionList > .option-list--option-highlighted {
            background: $block-cursor-background; color: $block-cursor-foreground;
        }
        #detail { height: auto; max-height: 8; min-height: 2; margin-top: 1; color: $muted; }
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

    def __init__(self, title: str, entries: Sequence[HelpEntry], keys: Keymap) -> None:
        super().__init__()
        self._keys = keys
        self._title = title
        self._entries = tuple(entries)
        self._shown: tuple[HelpEntry, ...] = ()
        self._box = Vertical()
        self._box.styles.max_height = len(self._entries) + _ROWS_AROUND
        self._search = _Search(placeholder="type to search")
        self._list = RowsList(markup=False)
        self._list.can_focus = False  # the search field must keep the focus
        self._detail = Static(id="detail", markup=False)

    def compose(self) -> ComposeResult:
        with self._box:
            self._box.border_title = Content(self._title)
            yield self._search
            yield self._list
            yield self._detail

    def on_mount(self) -> None:
        self._search.focus()
        self._show("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def on_input_submitted(self) -> None:
        if (entry := self._highlighted) is not None:
            self._choose(entry)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        for entry in self._shown:  # the search may have changed since the click
            if entry.action_id == event.option_id:
                self._choose(entry)

    def on_option_list_option_highlighted(self) -> None:
        self._explain()

    @property
    def _highlighted(self) -> HelpEntry | None:
        """The entry that is under the cursor now. A message about the cursor may be outdated."""
        index = self._list.highlighted
        return None if index is None or index >= len(self._shown) else self._shown[index]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Returns whether the action is available. The key of the help closes it, unless it is a letter or digit."""
        return action != "close_again" or not any(
            key.isalnum() for key in self._keys.keys_of("app.help") if len(key) == 1
        )

    def action_close(self) -> None:
        self.finish(None)

    def action_close_again(self) -> None:
        self.finish(None)

    async def action_move(self, where: str) -> None:
        await self._list.run_action(where)

    def _show(self, query: str) -> None:
        words = query.casefold().split()
        self._shown = tuple(entry for entry in self._entries if entry.matches(words))
        width = min(max((len(entry.keys) for entry in self._entries), default=0), _KEYS_WIDTH_MAX)
        self._list.set_options([Option(_render_row(entry, width), id=entry.action_id) for entry in self._shown])
        if self._shown:
            self._list.highlighted = 0
        self._explain()

    def _explain(self) -> None:
        entry = self._highlighted
        if entry is None:
            text = f"No key matches. Press {self._keys.written('app.palette')} to search all actions."
        else:
            text = entry.tooltip if entry.reason is None else f"Not now: {entry.reason}"
        self._detail.update(text)
        action_id = entry.action_id if entry is not None and entry.action_id in self._keys else ""
        self._box.border_subtitle = Content(f"action id: {action_id}" if action_id else "")
        self._detail.set_class(entry is not None and entry.reason is not None, "-unavailable")

    def _choose(self, entry: HelpEntry) -> None:
        if entry.reason is None:
            self.finish(entry.action_id)
        else:
            self.app.bell()


def _render_row(entry: HelpEntry, keys_width: int) -> Content:
    label_style = "" if entry.reason is None else "$text-disabled"
    keys_style = "bold" if entry.reason is None else ""
    return Content.assemble((entry.keys.rjust(keys_width), keys_style), "  ", (entry.label, label_style))
