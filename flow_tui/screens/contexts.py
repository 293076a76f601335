"""Shows every context with its problems, the problems of the config, and the past warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from flow_core.fleet import Fleet
from flow_core.fleet_state import ContextState
from flow_tui import format
from flow_tui.dialogs.dialog import Reader, to_safe_content

if TYPE_CHECKING:
    from flow_tui.notices import PastNotice


class ContextsScreen(Reader[None]):
    """The state of every context, updated while the screen is open. `again` polls every context now.

    `problems` are those of the config. `past_notices` come oldest first, and are shown newest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("exclamation_mark", "close", "Close", show=False, id="app.attend"),
        Binding("r", "again", "Refresh", id="contexts.again", tooltip="Refresh every context now"),
        Binding("R,ctrl+r", "again", "Refresh", show=False, id="app.refresh"),
        Binding("y", "copy", "Copy", id="contexts.copy", tooltip="Copy the problems"),
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
        self._refresh_contexts = again
        self._problems = tuple(problems)
        self._past_notices = past_notices
        self._text = Static()

    def compose_body(self) -> Iterable[Widget]:
        yield self._text

    def on_mount(self) -> None:
        self._unsubscribe = self._fleet.subscribe(self._show)
        self._show(self._fleet.watched)

    def on_unmount(self) -> None:
        self._unsubscribe()

    def action_again(self) -> None:
        self._refresh_contexts()
        self.notify("refreshing every context", markup=False)

    def action_copy(self) -> None:
        wrong = [f"{state.context.name}: {reason}" for state in self._fleet.states for reason in _list_problems(state)]
        wrong += [*self._problems, *(f"{_format_time(notice)}  {notice.text}" for notice in self._warnings())]
        if wrong:
            self.app.copy_to_clipboard("\n".join(wrong))
            self.notify("copied", markup=False)

    def _show(self, _: frozenset[str]) -> None:
        parts = [_render_context(state) for state in self._fleet.states]
        parts += _render_section("Configuration", [to_safe_content(problem) for problem in self._problems])
        parts += _render_section("Warnings and errors", [_render_notice(notice) for notice in self._warnings()])
        self._text.update(Content("\n\n").join(parts))

    def _warnings(self) -> list[PastNotice]:
        """Returns the past notices that aren't among the problems, newest first."""
        return [notice for notice in reversed(tuple(self._past_notices)) if notice.text not in self._problems]


def _render_section(heading: str, lines: Sequence[Content]) -> list[Content]:
    return [Content("\n").join([Content.styled(heading, "bold $warning"), *lines])] if lines else []


def _render_notice(notice: PastNotice) -> Content:
    style = "$text-error" if notice.severity == "error" else ""
    return Content.assemble((_format_time(notice), "$muted"), "  ", to_safe_content(notice.text, style))


def _format_time(notice: PastNotice) -> str:
    return f"{notice.at:%H:%M:%S}"


def _render_context(state: ContextState) -> Content:
    head = [
        to_safe_content(state.context.name, "bold"),
        to_safe_content(f"provider: {state.context.provider}", "$muted"),
    ]
    if state.error is not None:
        age = f"last read {format.duration(state.age_s)} ago" if state.age_s is not None else "unreachable"
        head.append(Content.styled(age, "$error"))
    elif state.unreadable:
        head.append(Content.styled("connected, but not all of its answers can be read", "$warning"))
    else:
        how = "connected" if state.answered_at is not None else "connecting…"
        head.append(Content.styled(how, "$success"))
    return Content("\n").join(
        [Content("  ").join(head), *(to_safe_content(reason) for reason in _list_problems(state))]
    )


def _list_problems(state: ContextState) -> list[str]:
    """Returns the problems of the context, then those of its answers, then those of its machines."""
    down = [instance.description for instance in state.instances if instance.is_down]
    return [reason for reason in (state.error, *state.unreadable, *down) if reason]
