"""The shell pane: terminals in tabs. The border describes the one in front."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_tui.actions import LazyModule
from flow_tui.key_names import spell_key
from flow_tui.panes.pane import Pane
from flow_tui.panes.shell.labels import show_labels
from flow_tui.panes.shell.tab import OpenShell, ShellTab, hang_up
from flow_tui.services import Services
from flow_tui.shell_key_hold import KeyHold
from flow_tui.terminal.prefix import Command
from flow_tui.widgets.bar import Piece
from flow_tui.widgets.shell_tabs import Tabs
from flow_tui.widgets.workers import start_worker

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell
    from flow_tui.panes.shell import dialogs
    from flow_tui.widgets.terminal import TerminalView
else:
    dialogs = LazyModule("flow_tui.panes.shell.dialogs")

_STEPS = {Command.NEXT: 1, Command.PREVIOUS: -1}


class ShellPane(Pane):
    """The shells of this dashboard, in the order in which they were opened. They stay open while the pane is hidden."""

    NOUN = "shell"

    DEFAULT_CSS = """
    ShellPane { border: round $frame; border-title-color: $muted; }
    ShellPane { border-subtitle-color: $muted; }
    ShellPane:focus-within { border: heavy $accent; border-title-color: $foreground; }
    ShellPane.-recording { border-title-color: $error; }
    ShellPane.-rung { border: heavy $warning; }
    ShellPane > #shell-notice { padding: 1 2; width: 1fr; height: 1fr; }
    """

    def __init__(self, services: Services, *, id: str | None = None) -> None:
        super().__init__(services, id=id)
        self._release_key = services.release_key
        self._tabs: list[ShellTab] = []
        self._front: ShellTab | None = None
        self._opened = 0
        # Created here and not queried: shells open and end before these are mounted, and after they are removed.
        self._tab_row = Tabs()
        self._notice = Static(self._empty_text, id="shell-notice", markup=False)

    def compose(self) -> ComposeResult:
        yield self._tab_row
        yield self._notice

    @property
    def _empty_text(self) -> str:
        if self.services.is_read_only:
            return "No shell is open."
        return f"No shell is open. Press {self.services.keys.written('tasks.shell')} on a running task to open one."

    def on_mount(self) -> None:
        self._update_labels()

    @property
    def has_shells_to_lose(self) -> bool:
        """Whether a shell is open that isn't persistent."""
        return any(tab.is_live and not tab.is_persistent for tab in self._tabs)

    @property
    def focus_target(self) -> Widget | None:
        return self.front or super().focus_target

    @property
    def footer(self) -> tuple[Piece, ...] | None:
        """The key that the shell does not get, and where all other keys go."""
        if self.front is None or not self.front.keys_go_to:
            return None
        leave = Piece(f"{spell_key(self._release_key)} leaves the shell", "bold $accent")
        return leave, Piece(self.front.keys_go_to, "$muted")

    async def may_quit(self) -> bool:
        return not self.has_shells_to_lose or await dialogs.confirm_quit(self.services)

    @property
    def front(self) -> TerminalView | None:
        """The terminal that is shown."""
        return self._front.view if self._front is not None else None

    def list_open_nodes(self, task: TaskRecord) -> frozenset[int]:
        """Returns the nodes of a task with open shells."""
        return frozenset(tab.node for tab in self._tabs if tab.task.key == task.key and tab.is_live)

    async def enter(
        self,
        task: TaskRecord,
        open_shell: OpenShell,
        node: int = 0,
        *,
        is_persistent: bool = False,
        keys: KeyHold | None = None,
    ) -> None:
        """Shows the shell in a task's node and gives it the focus. Opens one if none is open. Call it from a worker.

        The shell gets the keys that were held for it. Errors are shown in the pane; only bugs are raised.
        """
        shell_key = (task.key, node, is_persistent)
        found = next((tab for tab in self._tabs if (tab.task.key, tab.node, tab.is_persistent) == shell_key), None)
        if found is None:
            await self._open(task, open_shell, node, is_persistent=is_persistent, keys=keys)
        elif found.is_live or found.view.is_opening:
            self.show(found, keys)
        else:
            found.task, found.open_shell = task, open_shell
            self.show(found, keys)
            await self._reopen(found)

    async def close_front(self) -> None:
        """Hangs up the shell in front and removes its terminal. Brings a neighbouring shell to the front."""
        if self._front is not None:
            await self._drop(self._front)

    async def close(self) -> None:
        """Hangs up every shell. Waits at most three seconds for a host that doesn't answer."""
        await asyncio.gather(*(self._drop(tab) for tab in tuple(self._tabs)))

    def show(self, front: ShellTab | None, keys: KeyHold | None = None) -> None:
        """Brings a tab to the front and gives it the focus and the held keys. None shows that there is no shell."""
        self._front = front
        for tab in self._tabs:
            tab.view.display = tab is front
        self._notice.display = front is None
        self._notice.update(self._empty_text)
        self._update_labels()
        if front is not None:
            front.view.focus()
            if keys is not None:
                self.app.call_later(keys.hand_over, front.view)  # `focus` also uses call_later, so this runs after it

    async def _open(
        self,
        task: TaskRecord,
        open_shell: OpenShell,
        node: int,
        *,
        is_persistent: bool = False,
        keys: KeyHold | None = None,
    ) -> None:
        from flow_tui.widgets.terminal import TerminalView  # lazy import: most sessions open no shell

        self._opened += 1
        tab = ShellTab(self._opened, task, node, open_shell, TerminalView(release_key=self._release_key), is_persistent)
        self._tabs.append(tab)
        try:
            await self.mount(tab.view)
            self.show(tab, keys)
            await self._open_shell_in(tab, f"No shell in {task.name}: ")
        except asyncio.CancelledError:
            await self._drop(tab)
            raise

    async def _reopen(self, tab: ShellTab) -> None:
        """Opens another shell in the same terminal, below the output of the last one."""
        tab.view.expect_shell()
        try:
            await self._open_shell_in(tab)
        except asyncio.CancelledError:
            if tab in self._tabs:
                await tab.view.say("you stopped waiting for the shell")
            raise

    async def _open_shell_in(self, tab: ShellTab, error_prefix: str = "") -> None:
        """Opens a shell and runs it in the tab, or shows the error. Hangs it up if the tab was closed meanwhile."""
        try:
            shell = await tab.ask_for_shell()
        except FlowError as error:
            if tab in self._tabs:
                await tab.view.say(f"{error_prefix}{error}")
            return
        if tab in self._tabs:
            tab.shell = shell
            self._run(tab, shell)
        else:
            await hang_up(shell)

    def _run(self, tab: ShellTab, shell: Shell) -> None:
        tab.worker = start_worker(self, partial(tab.show_until_end, shell), group=f"shell {tab.number}")

    async def _drop(self, tab: ShellTab) -> None:
        if tab not in self._tabs:
            return
        at = self._tabs.index(tab)
        self._tabs.remove(tab)
        tab.stop_asking()
        tab.stop_recording()
        if tab.worker is not None:
            tab.worker.cancel()
        if tab.shell is not None:
            await hang_up(tab.shell)
        if self._front is tab:
            had_focus = self.has_focus_within
            self.show(self._tabs[min(at, len(self._tabs) - 1)] if self._tabs and had_focus else None)
        if tab.view.is_attached:
            await tab.view.remove()
        self._update_labels()

    def _update_labels(self) -> None:
        show_labels(self, self._tab_row, self._tabs, self._front, self._release_key)

    def _step(self, by: int) -> None:
        if self._front in self._tabs:
            self.show(self._tabs[(self._tabs.index(self._front) + by) % len(self._tabs)])

    def on_terminal_view_command_requested(self, message: TerminalView.CommandRequested) -> None:
        message.stop()
        if self._front is None or not self._carry_out(message, self._front):
            self._carry_out_elsewhere(message)

    def _carry_out(self, message: TerminalView.CommandRequested, tab: ShellTab) -> bool:
        """Carries out a command that concerns only the shells. Returns False for any other command."""
        if message.command in _STEPS:
            self._step(_STEPS[message.command])
        elif message.command is Command.ANOTHER:
            opening = partial(self._open, tab.task, tab.open_shell, tab.node, keys=message.keys)
            self._open_beside(opening, message.keys)
        elif message.command is Command.KEEP:
            opening = partial(self.enter, tab.task, tab.open_shell, tab.node, is_persistent=True, keys=message.keys)
            self._open_beside(opening, message.keys)
        elif message.command is Command.REOPEN:
            start_worker(self, partial(self._reopen, tab), group=f"reopen {tab.number}", exclusive=True)
        elif message.command is Command.STOP:
            tab.stop_asking()
        elif message.command is Command.RECORD:
            self._record(tab)
        else:
            return False
        return True

    def _carry_out_elsewhere(self, message: TerminalView.CommandRequested) -> None:
        """Carries out a command that concerns other panes or asks the user first."""
        workspace, nouns = self.services.workspace, self.services.workspace.nouns
        asking = {Command.CLOSE: self._close_front, Command.DETACH: self._detach_front, Command.HELP: self._show_keys}
        if message.command is Command.LEAVE:
            workspace.leave(self.NOUN)
        elif message.command is Command.ZOOM:
            workspace.toggle_zoom()
        elif message.command is Command.PANE and 1 <= message.digit <= len(nouns):
            workspace.bring_to_front(nouns[message.digit - 1])
        elif message.command in asking:
            self.services.carry_out(asking[message.command], message.command)

    async def _show_keys(self) -> None:
        """Lists the keys after the prefix key and carries out the command that the user chooses."""
        view = self.front
        chosen = await dialogs.pick_key(self.services)
        if chosen is not None and chosen in self.services.keys:
            self.services.workspace.act(chosen)
        elif chosen is not None and view is not None:
            view.carry_out(Command(chosen))

    async def _detach_front(self) -> None:
        """Closes the tab of a persistent shell. Refuses for other shells, which would end."""
        if self._front is not None and self._front.is_persistent:
            await self._close_front_tab()
        else:
            key = spell_key(self._release_key)
            self.services.notify(
                f"This shell is not persistent, so detaching would end it. Press {key} t to open a persistent one."
            )

    async def _close_front(self) -> None:
        """Closes the shell in front. Asks first if it is open."""
        tab = self._front
        if tab is None or not tab.is_live or await dialogs.confirm_close(self.services, tab):
            await self._close_front_tab()

    async def _close_front_tab(self) -> None:
        await self.close_front()
        if self.front is None:
            self.services.workspace.bring_to_front(self.services.workspace.nouns[0])

    def on_terminal_view_copied(self, message: TerminalView.Copied) -> None:
        message.stop()
        self.app.copy_to_clipboard(message.text)  # no notice, which would hide output; the border shows it

    def on_terminal_view_paste_needs_consent(self, message: TerminalView.PasteNeedsConsent) -> None:
        message.stop()
        self.services.carry_out(partial(self._paste, message.control, message.text), "paste")

    async def _paste(self, view: TerminalView, text: str) -> None:
        if await dialogs.confirm_paste(self.services, text):
            view.send_paste(text)

    def _open_beside(self, opening: Callable[[], Awaitable[None]], keys: KeyHold | None) -> None:
        async def open_and_end_hold() -> None:
            try:
                await opening()
            finally:
                if keys is not None:
                    keys.end()

        worker = start_worker(self, open_and_end_hold, group="another shell")
        if keys is not None:
            keys.stop = worker.cancel

    def _record(self, tab: ShellTab) -> None:
        try:
            if not tab.stop_recording() and tab.is_live:
                tab.start_recording()
        except FlowError as error:
            self.notify(str(error), severity="error", markup=False)
        self._update_labels()

    def on_terminal_view_state_changed(self) -> None:
        self._update_labels()
        self.services.workspace.show_status()

    def on_terminal_view_ended(self) -> None:
        self._update_labels()
        self.services.workspace.show_status()

    @on(Tabs.Picked)
    def _show_picked(self, message: Tabs.Picked) -> None:
        message.stop()
        self.show(next((tab for tab in self._tabs if tab.number == message.number), self._front))
