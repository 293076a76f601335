"""A shell of the pane: its terminal, its connection, and a function that opens another shell like it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.providers.contract.access import Shell
from flow_tui.terminal.cells import to_plain_title
from flow_tui.terminal.tmux import attach_command

if TYPE_CHECKING:
    from flow_core.client.asciicast_writer import AsciicastWriter
    from flow_tui.widgets.terminal import TerminalView

_CLOSE_S = 3.0
_LAYOUT_S = 1.0


class OpenShell(Protocol):
    """A function that opens a shell on one node."""

    async def __call__(self, columns: int, rows: int, command: str | None = None) -> Shell:
        """Opens a login shell, or runs a command on a terminal, within its own deadline. Raises FlowError."""


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
    recording: AsciicastWriter | None = None
    _opening: asyncio.Task[Shell] | None = None
    _was_stopped: bool = False

    @property
    def is_live(self) -> bool:
        return self.shell is not None and self.worker is not None and not self.worker.is_finished

    @property
    def name(self) -> str:
        """The name of the task, with the node if there are several. Printable, but foreign text."""
        name = to_plain_title(self.task.name)
        return f"{name} node {self.node}" if self.task.num_instances > 1 else name

    async def ask_for_shell(self) -> Shell:
        """Opens a new shell, or the persistent one again. Raises FlowError, also if the user stops waiting."""
        self._was_stopped = False
        self._opening = asyncio.create_task(self._open())
        try:
            return await self._opening
        except asyncio.CancelledError:
            if self._was_stopped:
                raise FlowError("you stopped waiting for the shell") from None
            raise
        finally:
            self._opening = None

    def stop_asking(self) -> None:
        """Stops waiting for a shell that is being opened. Does nothing if there is none."""
        if self._opening is not None:
            self._was_stopped = True
            self._opening.cancel()

    async def _open(self) -> Shell:
        command = attach_command(self.task.task_id, self.node) if self.is_persistent else None
        columns, rows = await self.view.wait_until_laid_out(_LAYOUT_S)
        return await self.open_shell(columns, rows, command)

    async def show_until_end(self, shell: Shell) -> None:
        """Shows the shell until it ends, then hangs up.

        tmux gets no answers to its queries. Its options tell it what the terminal can do, and it waits only 5 s for an
        answer. A later answer, over a slow link or from a busy machine, would become input of the persistent shell.
        """
        try:
            await self.view.run(shell, answers_queries=not self.is_persistent)
        finally:
            self.stop_recording()
            await hang_up(shell)

    def start_recording(self) -> None:
        """Starts a recording. Raises FlowError if the file can't be created."""
        from flow_core.client.asciicast_writer import AsciicastWriter  # lazy import: few sessions are recorded

        core = self.view.core
        if core is not None:
            self.recording = AsciicastWriter.start(self.task.task_id, core.cols, core.rows, self.name)
            self.view.record(self.recording)

    def stop_recording(self) -> bool:
        """Ends the recording and shows its path. Returns False if there was none."""
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
        return  # the connection is lost; the remote side detects that itself
