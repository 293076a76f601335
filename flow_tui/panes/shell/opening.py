"""Opens a shell in a task: asks for the node, and holds the keys that are typed until the shell has the focus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_tui.dialogs.pick import Pick, PickOption
from flow_tui.key_queue import hold_keys
from flow_tui.panes.shell.pane import ShellPane
from flow_tui.services import Services
from flow_tui.shell_key_hold import KeyHold

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell

_OPEN_S = 60.0  # enough for jump hosts; the time of prompts doesn't count


class ShellOpening:
    """The opening of a shell that the user requested."""

    def __init__(self, services: Services, task: TaskRecord, *, is_persistent: bool) -> None:
        self._services = services
        self._pane = services.workspace.pane(ShellPane)
        self._task = task
        self._is_persistent = is_persistent
        self._keys: KeyHold | None = None
        self._worker: Worker[None] | None = None
        self._was_stopped = False

    def start(self) -> None:
        """Starts to open the shell and returns immediately.

        From now on, keeps typed keys for the shell, unless the user must pick a node first.
        """
        if self._task.num_instances == 1:
            self._hold_keys()
        self._worker = self._services.start(self._run, "shell")

    def _hold_keys(self) -> KeyHold:
        self._keys = hold_keys(self._services.screen, self._stop_by_user)
        return self._keys

    def _stop_by_user(self) -> None:
        self._was_stopped = True
        if self._worker is not None:
            self._worker.cancel()

    async def _run(self) -> None:
        try:
            await self._open()
        except asyncio.CancelledError:
            if self._was_stopped:
                self._notify_stopped()
            raise
        finally:
            if self._keys is not None:
                self._keys.end()

    def _notify_stopped(self) -> None:
        self._services.notify(f"You stopped opening a shell in {self._task.name}.")
        workspace = self._services.workspace
        if workspace.front == ShellPane.NOUN and self._pane.front is None:
            workspace.leave(ShellPane.NOUN)

    async def _open(self) -> None:
        node = await self._pick_node()
        if node is None:
            return
        keys = self._keys or self._hold_keys()
        await self._services.workspace.wait_until_all_loaded()
        self._services.workspace.bring_to_front(ShellPane.NOUN)

        async def open_shell(columns: int, rows: int, command: str | None = None) -> Shell:
            return await self._open_shell(node, columns, rows, command)

        await self._pane.enter(self._task, open_shell, node, is_persistent=self._is_persistent, keys=keys)

    async def _pick_node(self) -> int | None:
        """Returns the node that the user picks, or the only one. Holds the keys that follow the answer."""
        task = self._task
        if task.num_instances == 1:
            return 0
        open_nodes = self._pane.list_open_nodes(task)
        choices = [
            PickOption(f"node {node}", str(node), _describe_node(task, node, is_open=node in open_nodes))
            for node in range(task.num_instances)
        ]
        picking = self._services.screen.app.push_screen(Pick(f"Shell in {task.name}", choices), wait_for_dismiss=True)
        self._hold_keys()
        picked = await picking
        return None if picked is None else int(picked)

    async def _open_shell(self, node: int, columns: int, rows: int, command: str | None) -> Shell:
        context = self._task.context
        flow, fleet = self._services.fleet.flow(context), self._services.fleet
        try:
            with self._services.prompts.foreground(context):
                async with fleet.deadline(context, _OPEN_S):
                    return await flow.open_shell(
                        self._task.task_id, columns=columns, rows=rows, command=command, node=node
                    )
        except TimeoutError:
            raise FlowError(f"the shell did not open within {_OPEN_S:.0f} s; try again") from None


def _describe_node(task: TaskRecord, node: int, *, is_open: bool) -> str:
    """Returns the name of the machine, if each node has its own, and whether a shell is open there."""
    machine = task.instances[node] if len(task.instances) == task.num_instances else ""
    return "  ".join(filter(None, (machine, "a shell is open" if is_open else "")))
