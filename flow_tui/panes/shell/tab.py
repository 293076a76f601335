"""One shell of the pane: its terminal, its connection, and how to open another one like it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.providers.contract.access import Shell
from flow_tui.terminal.cells import plain_title
from flow_tui.terminal.tmux import attach_command

if TYPE_CHECKING:
    from flow_core.client import asciicast
    from flow_tui.widgets.terminal import TerminalView

_CLOSE_S = 3.0
_LAYOUT_S = 1.0


class OpenShell(Protocol):
    """Opens a shell on one node."""

    async def __call__(self, columns: int, rows: int, command: str | None = None) -> Shell:
        """A login shell, or a command on a terminal, within a deadline of its own. Raises FlowError."""


@dataclass(eq=False)
class ShellTab:
    """A shell in a tab. `shell` is None until the host has answered. A persistent shell outlives its terminal."""

    number: int
    task: TaskRecord
    node: int
    open_shell: OpenShell
    view: TerminalView
    is_persistent: bool = False
    shell: Shell | None = None
    worker: Worker[None] | None = None
    recording: asciicast.Writer | None = None
    _asking: asyncio.Task[Shell] | None = None
    _was_stopped: bool = False

    @property
    def is_live(self) -> bool:
        return self.shell is not None and self.worker is not None and not self.worker.is_finished

    @property
    def name(self) -> str:
        """The task, with the node where it has several. Printable, but foreign."""
        name = plain_title(self.task.name)
        return f"{name} node {self.node}" if self.task.num_instances > 1 else name

    async def ask_for_shell(self) -> Shell:
        """Opens a new shell, or the persistent one again. Raises FlowError, also where the user stops waiting."""
        self._was_stopped = False
        self._asking = asyncio.create_task(self._ask_for_shell())
        try:
            return await self._asking
        except asyncio.CancelledError:
            if self._was_stopped:
                raise FlowError("you stopped waiting") from None
            raise
        finally:
            self._asking = None

    def stop_asking(self) -> None:
        """Stops waiting for a shell that is being opened; does nothing where there is none."""
        if self._asking is not None:
            self._was_stopped = True
            self._asking.cancel()

    async def _ask_for_shell(self) -> Shell:
        command = attach_command(self.task.task_id, self.node) if self.is_persistent else None
        columns, rows = await self.view.laid_out(_LAYOUT_S)
        return await self.open_shell(columns, rows, command)

    async def live(self, shell: Shell) -> None:
        """Shows the shell until it ends, then hangs up.

        tmux needs no answer from the terminal, since it is told what that can do, and after 5 s it waits for none: an
        answer that a slow link or a busy machine brings later would be typed into the shell that tmux keeps.
        """
        try:
            await self.view.run(shell, answers_queries=not self.is_persistent)
        finally:
            self.stop_recording()
            await hang_up(shell)

    def start_recording(self) -> None:
        """Raises FlowError where the file can't be made."""
        from flow_core.client import asciicast  # deferred: few sessions are recorded

        core = self.view.core
        if core is not None:
            self.recording = asciicast.Writer.start(self.task.task_id, core.cols, core.rows, self.name)
            self.view.record(self.recording)

    def stop_recording(self) -> bool:
        """Says where it was recorded. False where it wasn't."""
        recording, self.recording = self.recording, None
        if recording is None:
            return False
        self.view.record(None)
        try:
            recording.close()
        except FlowError as error:
            self.view.notify(str(error), severity="error", markup=False)
        else:
            self.view.notify(f"recorded in {recording.path}", markup=False)
        return True


async def hang_up(shell: Shell) -> None:
    try:
        async with asyncio.timeout(_CLOSE_S):
            await shell.close()
    except (FlowError, TimeoutError):
        return  # gone, or as good as gone; the far side notices on its own
