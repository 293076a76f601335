"""One shell of the pane: its terminal, whoever serves it, and how to get another one like it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_core.providers.entry import Shell
from flow_tui.terminal.cells import plain_title

if TYPE_CHECKING:
    from flow_core.client.recording import Recording
    from flow_tui.widgets.terminal import TerminalView

OpenShell = Callable[[int, int], Awaitable[Shell]]
"""(columns, rows) -> a shell, within a deadline of its own. Raises FlowError."""

_CLOSE_S = 3.0


@dataclass(eq=False)
class ShellTab:
    """`shell` is None until the far side has answered."""

    number: int
    task: TaskRecord
    node: int
    open_shell: OpenShell
    view: TerminalView
    shell: Shell | None = None
    worker: Worker[None] | None = None
    recording: Recording | None = None

    @property
    def is_live(self) -> bool:
        return self.shell is not None and self.worker is not None and not self.worker.is_finished

    @property
    def name(self) -> str:
        """The task, with the node where it has several. Printable, but foreign."""
        name = plain_title(self.task.name)
        return f"{name} node {self.node}" if self.task.num_instances > 1 else name

    async def live(self, shell: Shell) -> None:
        """Shows the shell until it ends, then hangs up."""
        try:
            await self.view.run(shell)
        finally:
            self.stop_recording()
            await hang_up(shell)

    def start_recording(self) -> None:
        """Raises FlowError where the file can't be made."""
        from flow_core.client.recording import Recording  # deferred: few sessions are recorded

        core = self.view.core
        if core is not None:
            self.recording = Recording.start(self.task.task_id, core.cols, core.rows, self.name)
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
