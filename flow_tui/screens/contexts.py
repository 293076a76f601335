"""Every context with what is wrong with it, the problems of the config, and the warnings that were shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from flow_core.context_state import ContextState
from flow_core.fleet import Fleet
from flow_tui import format
from flow_tui.dialogs.dialog import Reader, shown

if TYPE_CHECKING:
    from flow_tui.notices import PastNotice


class ContextsScreen(Reader[None]):
    """Follows the fleet while it is open. `again` asks every context now.

    `problems` are those of the config. `past_notices` come oldest first; the last one is shown first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("exclamation_mark", "close", "Close", show=False, id="app.attend"),
        Binding("r", "again", "Refresh", id="contexts.again", tooltip="Ask every context now"),
        Binding("R,ctrl+r", "again", "Refresh", show=False, id="app.refresh"),
        Binding("y", "copy", "Copy", id="contexts.copy", tooltip="Copy what is wrong"),
    ]

    def __init__(
        self,
        fleet: Fleet,
        again: Callable[[], None],
        problems: Sequence[str] = (),
        past_notices: Iterable[PastNotice] = (),
    ) -> None:
        super().__init__("Contexts", (("j k", "scroll"), ("r", "refresh"), ("y", "copy"), ("esc", "close")))
        self._fleet = fleet
        self._again = again
        self._problems = tuple(problems)
        self._past_notices = past_notices
        self._text = Static()

    def body(self) -> Iterable[Widget]:
        yield self._text

    def on_mount(self) -> None:
        self._leave = self._fleet.subscribe(self._show)
        self._show(self._fleet.watched)

    def on_unmount(self) -> None:
        self._leave()

    def action_again(self) -> None:
        self._again()
        self.notify("refreshing every context", markup=False)

    def action_copy(self) -> None:
        wrong = [f"{state.context.name}: {reason}" for state in self._fleet.states for reason in _wrong(state)]
        wrong += [*self._problems, *(f"{_time(notice)}  {notice.text}" for notice in self._warnings())]
        if wrong:
            self.app.copy_to_clipboard("\n".join(wrong))
            self.notify("copied", markup=False)

    def _show(self, _: frozenset[str]) -> None:
        parts = [_entry(state) for state in self._fleet.states]
        parts += _section("Configuration", [shown(problem) for problem in self._problems])
        parts += _section("Warnings and errors", [_past(notice) for notice in self._warnings()])
        self._text.update(Content("\n\n").join(parts))

    def _warnings(self) -> list[PastNotice]:
        """The notices that the problems don't contain, newest first."""
        return [notice for notice in reversed(tuple(self._past_notices)) if notice.text not in self._problems]


def _section(heading: str, lines: Sequence[Content]) -> list[Content]:
    return [Content("\n").join([Content.styled(heading, "bold $warning"), *lines])] if lines else []


def _past(notice: PastNotice) -> Content:
    style = "$text-error" if notice.severity == "error" else ""
    return Content.assemble((_time(notice), "$muted"), "  ", shown(notice.text, style))


def _time(notice: PastNotice) -> str:
    return f"{notice.at:%H:%M:%S}"


def _entry(state: ContextState) -> Content:
    head = [shown(state.context.name, "bold"), shown(state.context.provider, "$muted")]
    if state.error is not None:
        age = f"last read {format.duration(state.age_s)} ago" if state.age_s is not None else "unreachable"
        head.append(Content.styled(age, "$error"))
    elif state.unreadable:
        head.append(Content.styled("connected, but not all of its answers can be read", "$warning"))
    else:
        how = "connected" if state.answered_at is not None else "connecting…"
        head.append(Content.styled(how, "$success"))
    return Content("\n").join([Content("  ").join(head), *(shown(reason) for reason in _wrong(state))])


def _wrong(state: ContextState) -> list[str]:
    """What is wrong with the context, then with its answers, then with its machines."""
    down = [one.description for one in state.instances if one.is_down]
    return [reason for reason in (state.error, *state.unreadable, *down) if reason]
