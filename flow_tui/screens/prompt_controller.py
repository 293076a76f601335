"""Decides when a host's prompt is shown: immediately if the user waits for it, otherwise when the user asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_core.logs.escape import escape_controls
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_tui.dialogs.login_waiting import LoginWaiting
    from flow_tui.dialogs.prompt_dialog import PromptDialog
    from flow_tui.prompts import PendingPrompt


class PromptController:
    """The controller of prompts. It shows one after the other, and a notice for one that the user doesn't wait for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._prompts = services.prompts
        self._shown: PendingPrompt | None = None
        self._is_answering_all = False
        self._announced: set[PendingPrompt] = set()
        services.prompts.subscribe(self._update_soon)

    @property
    def has_prompts(self) -> bool:
        """Whether a prompt waits for an answer."""
        return bool(self._prompts.open)

    def answer_all(self) -> None:
        """Shows every prompt, one after the other."""
        self._is_answering_all = True
        self._update()

    def _update_soon(self) -> None:
        """Updates later, because prompts come from other asyncio tasks, in which no screen can be opened."""
        self._services.screen.call_later(self._update)

    def _update(self) -> None:
        self._services.workspace.show_status()
        waiting = self._prompts.open
        self._announced &= set(waiting)
        if self._shown is not None:
            return
        if (pending := next(filter(self._is_due, waiting), None)) is not None:
            self._show(pending)
            return
        self._is_answering_all = False
        for pending in waiting:
            self._announce(pending)

    def _is_due(self, pending: PendingPrompt) -> bool:
        if self._is_answering_all or self._prompts.is_urgent(pending):
            return True
        return self._prompts.is_next(pending) and not self._is_typing

    @property
    def _is_typing(self) -> bool:
        focused = self._services.screen.app.focused
        return focused is not None and (getattr(focused, "captures_keys", False) or focused.check_consume_key("a", "a"))

    def _show(self, pending: PendingPrompt) -> None:
        dialog = _make_dialog(pending)
        self._shown = pending
        pending.done.add_done_callback(lambda done: dialog.expire() if done.cancelled() else None)

        def settle(answer: str | None) -> None:
            self._shown = None
            self._prompts.answer(pending, answer)
            self._update()

        self._services.open(dialog, settle)

    def _announce(self, pending: PendingPrompt) -> None:
        """Notifies the user of a new prompt. Of several together, notifies of one; the header shows the number."""
        if not self._announced:
            key = self._services.keys.written("app.attend")
            self._services.notify(f"{escape_controls(pending.summary)}: press {key}", severity="warning")
        self._announced.add(pending)


def _make_dialog(pending: PendingPrompt) -> PromptDialog | LoginWaiting:
    from flow_core.prompter import HostKeyPrompt, LoginProgress  # lazy import: most sessions have no prompt
    from flow_tui.dialogs.login_waiting import LoginWaiting
    from flow_tui.dialogs.prompt_dialog import HostKeyDialog, SecretDialog

    if isinstance(pending.prompt, LoginProgress):
        return LoginWaiting(pending.prompt)
    return HostKeyDialog(pending.prompt) if isinstance(pending.prompt, HostKeyPrompt) else SecretDialog(pending.prompt)
