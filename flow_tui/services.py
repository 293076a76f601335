"""The services that panes and dialogs get from the dashboard. They never get the dashboard itself."""

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
from flow_tui.failure_causes import FailureCauses
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
        """The names of all panes, in the order of their digits."""

    def pane(self, kind: type[WidgetT]) -> WidgetT:
        """Returns the pane of this class. Creates it if it doesn't exist yet."""

    async def wait_until_all_loaded(self) -> None:
        """Waits until every pane is loaded, shortly after the first frame."""

    def bring_to_front(self, noun: str) -> None:
        """Shows a pane and gives it the focus."""

    def show_pane(self, noun: str) -> None:
        """Brings the pane to the front. If it is in front already, toggles its full size."""

    def show_last(self) -> None:
        """Brings the pane to the front that was in front before."""

    def leave(self, noun: str) -> None:
        """Brings the pane to the front that was in front before this one."""

    def move_focus(self, step: int) -> None:
        """Moves the focus to the next pane in view, or with -1 to the previous one."""

    def toggle_zoom(self) -> None:
        """Shows the pane in front in full size, or ends the full size."""

    def step_back(self) -> None:
        """Closes the filter. Without a filter, ends the full size; otherwise goes to the first pane."""

    def act(self, action_id: str) -> None:
        """Carries out an action, or notifies the user why it can't be done."""

    def disabled_reason(self, action_id: str) -> str | None:
        """Returns why an action can't be done now, as a sentence; None if it can."""

    def answer_prompts(self) -> None:
        """Shows the prompts that wait for an answer; without prompts, the contexts and their problems."""

    def show_status(self) -> None:
        """Draws the rows around the panes again."""

    async def quit(self) -> None:
        """Quits the dashboard, unless a pane asks and the user refuses."""


class Services:
    """The services of one dashboard, which all its panes share.

    `drafts` has the text that was typed into forms that were closed without sending, by the form's name.
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
        self.causes = FailureCauses(fleet)
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
        """Copies text to the clipboard, and notifies the user."""
        self.screen.app.copy_to_clipboard(text)
        self.notify("copied")

    def carry_out(self, handler: Handler, name: str) -> None:
        """Runs a plain function immediately and a coroutine function in a worker. Shows a FlowError that it raises."""
        if inspect.iscoroutinefunction(handler):
            self.start(handler, name)
        else:
            try:
                handler()
            except FlowError as error:
                self.notify(str(error), severity="error")

    def start(self, handler: Handler, name: str) -> Worker[None]:
        """Runs the handler in a worker, and shows a FlowError that it raises."""
        return start_worker(self.screen, partial(self._finish, handler), name=name, group=name)

    async def _finish(self, handler: Handler) -> None:
        try:
            outcome = handler()
            if outcome is not None:
                await outcome
        except FlowError as error:
            self.notify(str(error), severity="error")
