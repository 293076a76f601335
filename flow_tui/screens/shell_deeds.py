"""What is done with the shells, and what is asked about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_tui.screens.confirm import Confirm
from flow_tui.screens.layout import PANES
from flow_tui.terminal.prefix import Command

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.widgets.terminal import TerminalView


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
        elif event.command is Command.HELP:
            self._dashboard.action_act("app.help")
        elif event.command is Command.PANE and 1 <= event.digit <= len(PANES):
            self._dashboard.bring_to_front(PANES[event.digit - 1])

    async def close(self) -> None:
        """Asks while the shell lives."""
        question = Confirm("Close this shell?", [], call="hang up the shell", loses="what runs in it", keeps="the task")
        shells = self._dashboard.shell
        if shells.is_front_live and not await self._dashboard.app.push_screen_wait(question):
            return
        await shells.close_front()
        if shells.front is None:
            self._dashboard.bring_to_front("tasks")

    async def paste(self, view: TerminalView, text: str) -> None:
        lines = text.count("\n") + text.count("\r") + 1
        question = Confirm(
            f"Paste {lines} lines?",
            ["The shell did not ask for pasted text as one piece: each line runs as it arrives."],
            call="send the text as if it were typed",
            loses="nothing",
            keeps="the clipboard",
        )
        if await self._dashboard.app.push_screen_wait(question):
            view.send_paste(text)
