"""When what hosts ask is shown: at once where the user waits for it, else when the user says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.logs.escape import escape_controls
from flow_tui.keymap import key_for

if TYPE_CHECKING:
    from flow_tui.questions import Pending, Questions
    from flow_tui.screens.asked import Asked
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.screens.login_waiting import LoginWaiting


class Asking:
    """Shows one question after the other. One that nobody waits for is a notice, never in the way of what is typed."""

    def __init__(self, dashboard: DashboardScreen, questions: Questions) -> None:
        self._dashboard = dashboard
        self._questions = questions
        self._shown: Pending | None = None
        self._is_going_through = False
        self._told: set[Pending] = set()
        questions.subscribe(self._look_soon)

    @property
    def is_called_for(self) -> bool:
        """Whether there is anything to answer."""
        return bool(self._questions.open)

    def go_through(self) -> None:
        """Shows all there is, one after the other."""
        self._is_going_through = True
        self._look()

    def _look_soon(self) -> None:
        """Whoever asks does so from a task of its own, where no screen can be opened."""
        self._dashboard.call_later(self._look)

    def _look(self) -> None:
        self._dashboard.show_header()
        waiting = self._questions.open
        self._told &= set(waiting)
        if self._shown is not None:
            return
        if (pending := next(filter(self._is_due, waiting), None)) is not None:
            self._show(pending)
            return
        self._is_going_through = False
        for pending in waiting:
            self._tell(pending)

    def _is_due(self, pending: Pending) -> bool:
        if self._is_going_through or self._questions.is_urgent(pending):
            return True
        return self._questions.is_next(pending) and not self._is_typing

    @property
    def _is_typing(self) -> bool:
        focused = self._dashboard.app.focused
        return focused is not None and (getattr(focused, "captures_keys", False) or focused.check_consume_key("a", "a"))

    def _show(self, pending: Pending) -> None:
        dialog = _dialog(pending)
        self._shown = pending
        pending.ended.add_done_callback(lambda ended: dialog.lapse() if ended.cancelled() else None)

        def settle(answer: str | None) -> None:
            self._shown = None
            self._questions.settle(pending, answer)
            self._look()

        self._dashboard.app.push_screen(dialog, settle)

    def _tell(self, pending: Pending) -> None:
        """Once, and of several at once only the first: the header counts them."""
        if not self._told:
            self._dashboard.say(f"{escape_controls(pending.told)}: press {key_for('app.attend')}", severity="warning")
        self._told.add(pending)


def _dialog(pending: Pending) -> Asked | LoginWaiting:
    from flow_core.ssh.prompter import HostKeyPrompt, LoginProgress  # deferred: most sessions are asked nothing
    from flow_tui.screens.asked import HostKeyAsked, SecretAsked
    from flow_tui.screens.login_waiting import LoginWaiting

    if isinstance(pending.asked, LoginProgress):
        return LoginWaiting(pending.asked)
    return HostKeyAsked(pending.asked) if isinstance(pending.asked, HostKeyPrompt) else SecretAsked(pending.asked)
