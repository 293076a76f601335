"""Every context: how it is, and the whole of what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from flow_core.fleet import ContextState, Fleet
from flow_tui import format
from flow_tui.screens.dialog import Reader, shown


class ContextsScreen(Reader):
    """Follows the fleet while it is open. `again` asks every context now."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("exclamation_mark", "close", "Close", show=False, id="contexts.close"),
        Binding("r,R,ctrl+r", "again", "Ask again", id="contexts.again", tooltip="Ask every context now"),
        Binding("y", "copy", "Copy", id="contexts.copy", tooltip="Copy what is wrong"),
    ]

    def __init__(self, fleet: Fleet, again: Callable[[], None]) -> None:
        super().__init__("Contexts", (("j k", "scroll"), ("r", "ask again"), ("y", "copy"), ("esc", "close")))
        self._fleet = fleet
        self._again = again
        self._text = Static()

    def body(self) -> Iterable[Widget]:
        yield self._text

    def on_mount(self) -> None:
        self._leave = self._fleet.subscribe(self._show)
        self._show()

    def on_unmount(self) -> None:
        self._leave()

    def action_again(self) -> None:
        self._again()
        self.notify("asking every context", markup=False)

    def action_copy(self) -> None:
        wrong = [f"{state.context.name}: {reason}" for state in self._fleet.states for reason in _wrong(state)]
        if wrong:
            self.app.copy_to_clipboard("\n".join(wrong))
            self.notify("copied", markup=False)

    def _show(self) -> None:
        self._text.update(Content("\n\n").join(_entry(state) for state in self._fleet.states))


def _entry(state: ContextState) -> Content:
    head = [shown(state.context.name, "bold"), shown(state.context.provider, "$muted")]
    if state.error is not None:
        since = f"no answer for {format.duration(state.age_s)}" if state.age_s is not None else "never answered"
        head.append(Content.styled(since, "$error"))
    else:
        how = "answers" if state.answered_at is not None else "has not answered yet"
        head.append(Content.styled(how, "$success"))
    return Content("\n").join([Content("  ").join(head), *(shown(reason) for reason in _wrong(state))])


def _wrong(state: ContextState) -> list[str]:
    """Of the context as a whole, then of its machines, as far as they were looked at."""
    down = [one.description for one in state.instances if one.is_down]
    return [reason for reason in (state.error, *down) if reason]
