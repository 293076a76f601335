"""The terminal core of a view, and the shell session that feeds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.geometry import Size

from flow_tui.terminal.core import Modes, TerminalCore
from flow_tui.terminal.core_loader import load_core
from flow_tui.terminal.session import Recorder, ShellSession

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell

_DEFAULT_COLUMNS, _DEFAULT_ROWS = 80, 24


class TerminalIO:
    """A core and its shell. Output goes to the core, input and sizes to the shell, output and sizes to a recorder."""

    def __init__(self, on_output: Callable[[], None], on_full: Callable[[], None]) -> None:
        """Stores the callbacks: `on_output` for each slice of output, `on_full` for input that the queue refuses."""
        self.core: TerminalCore | None = None
        self._session: ShellSession | None = None
        self._on_output = on_output
        self._on_full = on_full

    @property
    def is_live(self) -> bool:
        """True while a shell runs."""
        return self._session is not None and self._session.is_live

    @property
    def is_recording(self) -> bool:
        return self._session is not None and self._session.recorder is not None

    @property
    def modes(self) -> Modes:
        """The modes of the core; the initial ones before there is a core."""
        return self.core.modes if self.core is not None else Modes()

    async def open_core(self, size: Size) -> TerminalCore:
        """Opens a core of this size. Returns the core that is open already, even if its size differs."""
        if self.core is None:
            # The import of the native core and its first terminal take 0.4 s, which would block the event loop.
            core = await asyncio.to_thread(_open_core, size)
            self.core = self.core or core
        return self.core

    def open_session(self, core: TerminalCore, shell: Shell, size: Size, *, answers_queries: bool) -> ShellSession:
        """Connects a new shell to the core that is open. The caller runs the session."""
        core.resize(size.width or _DEFAULT_COLUMNS, size.height or _DEFAULT_ROWS)
        core.feed(b"\x1b[?25h")
        self._session = ShellSession(core, shell, self._on_output, answers_queries=answers_queries)
        return self._session

    def send(self, data: bytes) -> None:
        """Queues input for the shell. Ignores it if no shell was opened."""
        if self._session is not None and not self._session.send(data):
            self._on_full()

    def record(self, recorder: Recorder | None) -> None:
        """Starts a recording with the current screen; None ends the recording. The caller closes the recorder."""
        if self._session is not None:
            self._session.record(recorder)

    def needs_size(self, size: Size) -> bool:
        """Returns whether a shell was opened and its terminal has another size. Returns False for an empty size."""
        core = self.core
        if self._session is None or core is None or not size.width or not size.height:
            return False
        return (core.cols, core.rows) != (size.width, size.height)

    def resize(self, size: Size) -> None:
        """Resizes the core immediately, and then the terminal of the shell."""
        if self._session is not None:
            self._session.resize(size.width, size.height)


def _open_core(size: Size) -> TerminalCore:
    core = load_core()(size.width or _DEFAULT_COLUMNS, size.height or _DEFAULT_ROWS)
    _ = core.modes  # the first access takes as long as the first terminal
    return core
