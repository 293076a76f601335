"""The shell pane: one terminal a task, the one in front has the border."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.providers.entry import Shell
from flow_tui.terminal.prefix import RELEASE_KEY, Keys

if TYPE_CHECKING:
    from flow_tui.widgets.terminal import TerminalView

OpenShell = Callable[[int, int], Awaitable[Shell]]
"""(columns, rows) -> a shell."""

_OPEN_S = 60.0  # a jump host, a dialog for a passphrase
_LAYOUT_S = 1.0
_CLOSE_S = 3.0
_EMPTY = "no shell open; press s on a running task"


@dataclass
class _Opened:
    """A task's shell as the pane holds it. `shell` is None until the far side has answered."""

    task: TaskRecord
    view: TerminalView
    shell: Shell | None = None
    worker: Worker[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.shell is not None and (self.worker is None or self.worker.is_finished)


class ShellPane(Vertical):
    """Shells of this session, by (context, task id). They live on while the pane is out of sight."""

    DEFAULT_CSS = """
    ShellPane { border: round $surface-lighten-2; border-title-color: $text-muted; }
    ShellPane { border-subtitle-color: $text-muted; }
    ShellPane:focus-within { border: heavy $accent; border-title-color: $text; }
    ShellPane > #shell-notice { padding: 1 2; width: 1fr; height: 1fr; }
    """

    def __init__(self, *, release_key: str = RELEASE_KEY, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._release_key = release_key
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._front: tuple[str, str] | None = None

    def compose(self) -> ComposeResult:
        yield Static(_EMPTY, id="shell-notice", markup=False)

    def on_mount(self) -> None:
        self._label()

    @property
    def has_live_shells(self) -> bool:
        return any(opened.shell is not None and not opened.is_over for opened in self._opened.values())

    @property
    def front(self) -> TerminalView | None:
        """The terminal that is shown."""
        return self._opened[self._front].view if self._front is not None else None

    async def enter(self, task: TaskRecord, open_shell: OpenShell) -> None:
        """Shows the task's shell, opening one if none lives, and gives it the focus. Call it from a worker.

        What goes wrong is a sentence in the pane; nothing is raised but bugs.
        """
        held = self._opened.get(task.key)
        if held is not None and not held.is_over:
            self._show(task.key)
            held.view.focus()
            return
        if held is not None:
            await self._drop(task.key)
        await self._open(task, open_shell)

    async def _open(self, task: TaskRecord, open_shell: OpenShell) -> None:
        from flow_tui.widgets.terminal import TerminalView  # deferred: most sessions open no shell

        opened = _Opened(task, TerminalView(release_key=self._release_key))
        self._opened[task.key] = opened
        await self.mount(opened.view)
        self._show(task.key)
        opened.view.focus()
        try:
            columns, rows = await opened.view.laid_out(_LAYOUT_S)
            async with asyncio.timeout(_OPEN_S):
                opened.shell = await open_shell(columns, rows)
        except FlowError as error:
            await self._fail(task, str(error))
        except TimeoutError:
            await self._fail(task, f"Nobody answered within {_OPEN_S:.0f} s.")
        except asyncio.CancelledError:
            await self._drop(task.key)
            raise
        else:
            opened.worker = self.run_worker(self._live(opened.view, opened.shell), group=f"shell {task.key}")

    async def _live(self, view: TerminalView, shell: Shell) -> None:
        try:
            await view.run(shell)
        finally:
            await _hang_up(shell)

    async def _fail(self, task: TaskRecord, sentence: str) -> None:
        await self._drop(task.key)
        self._show(None)
        self.query_one("#shell-notice", Static).update(f"No shell in {task.name}: {sentence}\n\n{_EMPTY}")

    async def close_front(self) -> None:
        """Hangs up the shell in front and takes its terminal away."""
        if self._front is not None:
            await self._drop(self._front)

    async def close_all(self) -> None:
        """Hangs up every shell; a far side that doesn't answer is left after three seconds."""
        await asyncio.gather(*(self._drop(key) for key in tuple(self._opened)))

    async def _drop(self, key: tuple[str, str]) -> None:
        opened = self._opened.pop(key, None)
        if opened is None:
            return
        if opened.worker is not None:
            opened.worker.cancel()
        if opened.shell is not None:
            await _hang_up(opened.shell)
        if self._front == key:
            self._show(next(reversed(self._opened), None))
        if opened.view.is_attached:
            await opened.view.remove()

    def _show(self, key: tuple[str, str] | None) -> None:
        self._front = key
        for other, opened in self._opened.items():
            opened.view.display = other == key
        notice = self.query_one("#shell-notice", Static)
        notice.display = key is None
        notice.update(_EMPTY)
        self._label()

    def _label(self, keys: Keys = Keys.SHELL) -> None:
        """Border texts. Names and titles are foreign, so they are content, never markup."""
        title = "SHELL"
        if self._front is not None:
            from flow_tui.terminal.cells import plain_title  # deferred: loaded with the first shell

            opened = self._opened[self._front]
            title = f"SHELL  task {plain_title(opened.task.name)}"
            if opened.view.title_text:
                title += f"  {opened.view.title_text}"
        self.border_title = Content(title)
        self.border_subtitle = Content(self._hint(keys))

    def _hint(self, keys: Keys) -> str:
        release = "ctrl+]" if self._release_key == RELEASE_KEY else self._release_key
        if keys is Keys.PREFIX:
            return f"{release} sends it  [ scrolls  z zoom  k close  1-8 pane  ? help  esc leaves"
        if keys is Keys.SCROLL:
            return f"scrolling: up down pgup pgdn g G, q ends  {release} leaves"
        return f"{release} leaves"

    def on_terminal_view_keys_changed(self, message: TerminalView.KeysChanged) -> None:
        if message.view is self.front:
            self._label(message.keys)

    def on_terminal_view_title_changed(self, message: TerminalView.TitleChanged) -> None:
        if message.view is self.front:
            self._label(message.view.keys)


async def _hang_up(shell: Shell) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await shell.close()
    except (FlowError, TimeoutError):
        return  # gone, or as good as gone; the far side notices on its own
