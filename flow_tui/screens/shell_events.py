"""What the dashboard does at events of the terminal in the shell pane."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from flow_tui.terminal.prefix import Command

if TYPE_CHECKING:
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.widgets.terminal import TerminalView


class ShellEvents:
    """Part of the dashboard."""

    def leave_shell(self) -> None:
        dashboard = self._dashboard
        dashboard.bring_to_front(dashboard._last_front if dashboard._last_front != "shell" else "tasks")

    def on_terminal_view_asked(self, event: TerminalView.Asked) -> None:
        deeds = self._dashboard._deeds_of("shell")
        asked = {Command.CLOSE: deeds.close, Command.DETACH: deeds.detach, Command.HELP: deeds.help}
        self._dashboard._carry_out(asked.get(event.command) or partial(deeds.answer, event), event.command)

    def on_terminal_view_copied(self, event: TerminalView.Copied) -> None:
        self._dashboard.app.copy_to_clipboard(event.text)  # the border says so: a notice would hide what is read

    def on_terminal_view_paste_needs_consent(self, event: TerminalView.PasteNeedsConsent) -> None:
        paste = partial(self._dashboard._deeds_of("shell").paste, event.control, event.text)
        self._dashboard._carry_out(paste, "paste")

    def on_terminal_view_ended(self) -> None:
        self._dashboard._show_chrome()

    def on_terminal_view_changed(self) -> None:
        self._dashboard._show_chrome()

    @property
    def _dashboard(self) -> DashboardScreen:
        return cast("DashboardScreen", self)
