"""What is done with the shells, and what is asked about them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flow_tui.key_names import written_key
from flow_tui.keymap import BY_ID
from flow_tui.screens.confirm import Confirm
from flow_tui.screens.help import HelpEntry, HelpScreen
from flow_tui.screens.layout import PANES
from flow_tui.screens.paste import ConfirmPaste
from flow_tui.terminal.prefix import PREFIX_KEYS, Command
from flow_tui.terminal.tmux import kill_command

if TYPE_CHECKING:
    from flow_tui.panes.shell_tab import ShellTab
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.widgets.terminal import TerminalView

_END_S = 20.0
_PANE_KEYS = [BY_ID[f"app.show_{pane}"] for pane in PANES]


class ShellDeeds:
    """Carries out what a terminal asks of the dashboard."""

    def __init__(self, dashboard: DashboardScreen) -> None:
        self._dashboard = dashboard

    def answer(self, event: TerminalView.Asked) -> None:
        """What the pane itself can do, it has done already."""
        if event.command is Command.LEAVE:
            self._dashboard.leave_shell()
        elif event.command is Command.ZOOM:
            self._dashboard.toggle_zoom()
        elif event.command is Command.PANE and 1 <= event.digit <= len(PANES):
            self._dashboard.bring_to_front(PANES[event.digit - 1])

    async def help(self) -> None:
        """What each key after the prefix does; the one that is chosen is done."""
        view, key = self._dashboard.shell.front, written_key(self._dashboard.release_key)
        rows = [(row.key, row.label, row.tooltip, row.command.value) for row in PREFIX_KEYS]
        rows.append((key, "send", f"Send {key} to the shell", Command.SEND.value))
        rows.append(("esc", "leave", "Leave the pane; the shell stays open", Command.LEAVE.value))
        rows += [(action.keys, action.label, action.tooltip, action.id) for action in _PANE_KEYS]
        entries = [HelpEntry(f"{key} {after}", *said) for after, *said in rows]
        chosen = await self._dashboard.app.push_screen_wait(HelpScreen(f"Keys after {key}", entries))
        if chosen is not None and chosen in BY_ID:
            self._dashboard.action_act(chosen)
        elif chosen is not None and view is not None:
            view.carry_out(Command(chosen))

    async def detach(self) -> None:
        """Only from a kept shell: of any other it would be the end."""
        tab = self._dashboard.shell.front_tab
        if tab is not None and tab.is_kept:
            await self._let_go()
        else:
            key = written_key(self._dashboard.release_key)
            self._dashboard.say(f"This shell is not persistent: leaving it would end it. {key} t opens one that is.")

    async def close(self) -> None:
        """Asks while the shell lives."""
        tab = self._dashboard.shell.front_tab
        question = Confirm(
            "Close this shell?",
            [],
            call="Ends the persistent shell." if tab is not None and tab.is_kept else "Closes the shell.",
            loses="what runs in it",
            keeps="the task",
            agree="Close the shell",
            refuse="Keep it open",
        )
        if tab is not None and tab.is_live:
            if not await self._dashboard.app.push_screen_wait(question):
                return
            if tab.is_kept:
                await self._end(tab)
        await self._let_go()

    async def _end(self, tab: ShellTab) -> None:
        flow, task_id = self._dashboard.fleet.flow(tab.task.context), tab.task.task_id
        line = kill_command(task_id, tab.node)
        run = partial(flow.get_remote_operations().run, task_id, line, node=tab.node, timeout_s=_END_S)
        with self._dashboard.questions.hurried(tab.task.context):
            await flow.change("shell", task_id, line, run)

    async def _let_go(self) -> None:
        await self._dashboard.shell.close_front()
        if self._dashboard.shell.front is None:
            self._dashboard.bring_to_front("tasks")

    async def paste(self, view: TerminalView, text: str) -> None:
        if await self._dashboard.app.push_screen_wait(ConfirmPaste(text)):
            view.send_paste(text)
