"""Waits for a slow login: until the user stops it, or for a limited time without a user."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from flow_core.errors import AuthError, Unreachable
from flow_core.pausable_timeout import PausableTimeout
from flow_core.prompter import LoginProgress
from flow_core.ssh.settings import HostSettings

_SHOW_S = 2.0
_SHOW_BANNER_S = 0.2  # a host that accepts the login immediately may show a banner too
_MAX_BANNER_CHARS = 4000
_T = TypeVar("_T")


class LoginWait:
    """One wait. `what` completes the sentence "waiting for gpu1 ...", such as "to let you in"."""

    def __init__(self, settings: HostSettings, timeout: PausableTimeout, what: str) -> None:
        self.banner = ""
        self._settings = settings
        self._timeout = timeout
        self._what = what
        self._changed = asyncio.Event()

    def show_banner(self, text: str) -> None:
        self.banner = (self.banner + text)[:_MAX_BANNER_CHARS]
        self._changed.set()

    async def run(self, work: Coroutine[Any, Any, _T] | asyncio.Task[_T]) -> _T:
        """Returns the result of `work` and pauses the callers' deadlines meanwhile.

        Raises AuthError when the user stops waiting. Raises Unreachable after `login_timeout_s` without a prompter.
        """
        running = asyncio.ensure_future(work)
        try:
            with self._timeout.paused(), self._timeout.notify_on_prompt(self._changed.set):
                return await (
                    self._run_with_prompter(running) if self._timeout.has_prompter else self._run_with_limit(running)
                )
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait((running,))

    async def _run_with_limit(self, running: asyncio.Task[_T]) -> _T:
        await asyncio.wait((running,), timeout=self._settings.login_timeout_s)
        if running.done():
            return running.result()
        banner_text = f"; it shows {self.banner.strip()!r}" if self.banner.strip() else ""
        raise Unreachable(
            f"waited {self._settings.login_timeout_s:g} s for {self._settings.alias!r} {self._what}{banner_text};"
            " connect from the dashboard, where you can wait longer, or raise login_timeout_s"
        )

    async def _run_with_prompter(self, running: asyncio.Task[_T]) -> _T:
        while True:
            self._changed.clear()
            helpers = (asyncio.ensure_future(self._show_progress()), asyncio.ensure_future(self._changed.wait()))
            try:
                await asyncio.wait((running, *helpers), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.wait(helpers)
            if running.done():
                return running.result()
            if not helpers[0].cancelled():
                helpers[0].result()
                raise AuthError(f"you stopped waiting for {self._settings.alias!r} {self._what}")

    async def _show_progress(self) -> None:
        """Shows the progress after a delay; returns when the user stops waiting.

        While a prompt is open, waits until it is cancelled.
        """
        if self._timeout.is_prompting:
            await asyncio.Event().wait()
        await asyncio.sleep(_SHOW_BANNER_S if self.banner.strip() else _SHOW_S)
        await self._timeout.show_login_progress(LoginProgress(self._settings.alias, self._what, self.banner.strip()))
