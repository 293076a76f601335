"""Opens a shell in a task: asks for the node, and holds the keys that are typed until the shell has the focus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.key_hold import KeyHold
from flow_tui.key_queue import hold_keys
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.services import Services

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell

_OPEN_S = 60.0  # with jump hosts on the way; what is asked meanwhile doesn't count


class ShellOpening:
    """One shell that the user asked for."""

    def __init__(self, services: Services, task: TaskRecord, *, is_persistent: bool) -> None:
        self._services = services
        self._pane = services.workspace.pane(ShellPane)
        self._task = task
        self._is_persistent = is_persistent
        self._keys: KeyHold | None = None
        self._worker: Worker[None] | None = None
        self._was_stopped = False

    def start(self) -> None:
        """Returns at once. The very next key is held already, unless the user has to pick a node first."""
        if self._task.num_instances == 1:
            self._hold_keys()
        self._worker = self._services.start(self._run, "shell")

    def _hold_keys(self) -> KeyHold:
        self._keys = hold_keys(self._services.screen, self._stop)
        return self._keys

    def _stop(self) -> None:
        self._was_stopped = True
        if self._worker is not None:
            self._worker.cancel()

    async def _run(self) -> None:
        try:
            await self._open()
        except asyncio.CancelledError:
            if self._was_stopped:
                self._leave()
            raise
        finally:
            if self._keys is not None:
                self._keys.end()

    def _leave(self) -> None:
        self._services.notify(f"You stopped opening a shell in {self._task.name}.")
        workspace = self._services.workspace
        if workspace.front == ShellPane.NOUN and self._pane.front is None:
            workspace.leave(ShellPane.NOUN)

    async def _open(self) -> None:
        node = await self._pick_node()
        if node is None:
            return
        keys = self._keys or self._hold_keys()
        await self._services.workspace.all_loaded()
        self._services.workspace.bring_to_front(ShellPane.NOUN)

        async def open_shell(columns: int, rows: int, command: str | None = None) -> Shell:
            return await self._ask_for_shell(node, columns, rows, command)

        await self._pane.enter(self._task, open_shell, node, is_persistent=self._is_persistent, keys=keys)

    async def _pick_node(self) -> int | None:
        """The keys that follow the answer are held, since the dialog is not on top any more."""
        task = self._task
        if task.num_instances == 1:
            return 0
        entered = self._pane.nodes_of(task)
        nodes = range(task.num_instances)
        choices = [
            PickOption(f"node {node}", str(node), "a shell is open" if node in entered else "") for node in nodes
        ]
        picking = self._services.screen.app.push_screen(Pick(f"Shell in {task.name}", choices), wait_for_dismiss=True)
        self._hold_keys()
        picked = await picking
        return None if picked is None else int(picked)

    async def _ask_for_shell(self, node: int, columns: int, rows: int, command: str | None) -> Shell:
        context = self._task.context
        flow, fleet = self._services.fleet.flow(context), self._services.fleet
        try:
            with self._services.prompts.foreground(context):
                async with fleet.deadline(context, _OPEN_S):
                    return await flow.open_shell(
                        self._task.task_id, columns=columns, rows=rows, command=command, node=node
                    )
        except TimeoutError:
            raise FlowError(f"no shell within {_OPEN_S:.0f} s; try again") from None
