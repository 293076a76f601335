"""What panes and dialogs may use of the dashboard around them. They never see the dashboard itself."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import Worker

from flow_core.errors import FlowError
from flow_tui.keymap import Keymap
from flow_tui.prompts import PromptQueue
from flow_tui.task_selection import TaskSelection
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_core.fleet import Fleet

AnswerT = TypeVar("AnswerT")
WidgetT = TypeVar("WidgetT", bound=Widget)
Handler = Callable[[], Awaitable[None] | None]


class Workspace(Protocol):
    """The panes of the dashboard, and the actions of all of them. A pane is named by its noun, such as "tasks"."""

    @property
    def front(self) -> str:
        """The pane that has, or last had, the focus."""

    @property
    def nouns(self) -> tuple[str, ...]:
        """All panes, in the order of their digits."""

    def pane(self, kind: type[WidgetT]) -> WidgetT:
        """The pane of this class. It is made if it isn't there yet."""

    async def all_loaded(self) -> None:
        """Returns once every pane is there, a moment after the first frame."""

    def bring_to_front(self, noun: str) -> None:
        """Shows a pane and gives it the focus."""

    def show_pane(self, noun: str) -> None:
        """Brings the pane to the front; the pane in front changes to full size and back."""

    def show_last(self) -> None:
        """Brings the pane to the front that was there before."""

    def leave(self, noun: str) -> None:
        """Brings the pane to the front that was there before this one."""

    def move_focus(self, step: int) -> None:
        """To the next pane in view, or with -1 to the previous one."""

    def toggle_zoom(self) -> None:
        """The pane in front to full size and back."""

    def step_back(self) -> None:
        """Closes the filter, else leaves full size, else goes to the first pane."""

    def act(self, action_id: str) -> None:
        """Carries out an action, or says why it can't be done."""

    def disabled_reason(self, action_id: str) -> str | None:
        """Why an action can't be done now, as a sentence; None when it can."""

    def answer_prompts(self) -> None:
        """Shows the prompts that wait for an answer; without any, the contexts and what is wrong with them."""

    def show_status(self) -> None:
        """Draws the rows around the panes again."""

    async def quit(self) -> None:
        """Leaves the dashboard, unless a pane asks and the user says no."""


class Services:
    """One for all panes of a dashboard.

    `drafts` keeps what was typed into a form that was closed without sending, by the form's name.
    `release_key` is the key that leaves a shell.
    """

    def __init__(
        self,
        screen: Screen[Any],
        fleet: Fleet,
        prompts: PromptQueue,
        keys: Keymap,
        workspace: Workspace,
        *,
        release_key: str,
    ) -> None:
        self.screen = screen
        self.fleet = fleet
        self.prompts = prompts
        self.keys = keys
        self.workspace = workspace
        self.release_key = release_key
        self.selection = TaskSelection()
        self.drafts: dict[str, Mapping[str, str]] = {}

    @property
    def is_read_only(self) -> bool:
        return self.fleet.gate.read_only

    async def ask(self, dialog: ModalScreen[AnswerT]) -> AnswerT:
        """Opens a dialog and returns its answer. Call it in a worker."""
        answer: AnswerT = await self.screen.app.push_screen_wait(dialog)
        return answer

    def open(self, screen: Screen[AnswerT], then: Callable[[AnswerT | None], None] | None = None) -> None:
        """Opens a screen on top; `then` gets its answer once it has closed."""
        self.screen.app.push_screen(screen, then)

    def notify(self, message: str, *, severity: SeverityLevel = "information") -> None:
        """Shows a short notice; its text is never markup."""
        self.screen.notify(message, severity=severity, markup=False)

    def copy(self, text: str) -> None:
        """Puts text on the clipboard, and says so."""
        self.screen.app.copy_to_clipboard(text)
        self.notify("copied")

    def carry_out(self, handler: Handler, name: str) -> None:
        """Runs a plain function at once and a coroutine function in a worker. Shows the FlowError that it raises."""
        if inspect.iscoroutinefunction(handler):
            self.start(handler, name)
        else:
            try:
                handler()
            except FlowError as error:
                self.notify(str(error), severity="error")

    def start(self, handler: Handler, name: str) -> Worker[None]:
        """Runs it in a worker, and shows the FlowError that it raises."""
        return start_worker(self.screen, partial(self._finish, handler), name=name, group=name)

    async def _finish(self, handler: Handler) -> None:
        try:
            outcome = handler()
            if outcome is not None:
                await outcome
        except FlowError as error:
            self.notify(str(error), severity="error")
