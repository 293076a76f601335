"""A screen that carries out actions, in a worker where they wait for something."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial

from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.worker import Worker

from flow_core.errors import FlowError
from flow_tui.widgets.workers import start_worker


class ActionScreen(Screen[None]):
    """Shows what went wrong with an action as a notice."""

    def say(self, message: str, *, severity: SeverityLevel = "information") -> None:
        """A short notice; its text is never markup."""
        self.notify(message, severity=severity, markup=False)

    def _carry_out(self, handler: Callable[[], Awaitable[None] | None], name: str) -> None:
        """At once where that is possible; else in a worker, so that no key waits for the far side."""
        if inspect.iscoroutinefunction(handler):
            self.start(handler, name)
        else:
            try:
                handler()
            except FlowError as error:
                self.say(str(error), severity="error")

    def start(self, handler: Callable[[], Awaitable[None] | None], name: str) -> Worker[None]:
        """Runs it in a worker, and shows the FlowError that it raises."""
        return start_worker(self, partial(self._finish, handler), name=name, group=name)

    async def _finish(self, handler: Callable[[], Awaitable[None] | None]) -> None:
        try:
            outcome = handler()
            if outcome is not None:
                await outcome
        except FlowError as error:
            self.say(str(error), severity="error")
