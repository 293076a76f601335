"""Opens a shell in a task: asks for the node, and holds what is typed until the shell has the focus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.worker import Worker

from flow_core.errors import FlowError
from flow_core.models.task import TaskRecord
from flow_tui.key_hold import KeyHold
from flow_tui.key_queue import hold_keys
from flow_tui.screens.pick import Choice, Pick

if TYPE_CHECKING:
    from flow_core.providers.contract.access import Shell
    from flow_tui.screens.dashboard import DashboardScreen

_OPEN_S = 60.0  # with jump hosts on the way; what is asked meanwhile doesn't count


class ShellOpening:
    """One shell that the user asked for."""

    def __init__(self, dashboard: DashboardScreen, task: TaskRecord, *, is_kept: bool) -> None:
        self._dashboard = dashboard
        self._task = task
        self._is_kept = is_kept
        self._keys: KeyHold | None = None
        self._worker: Worker[None] | None = None
        self._was_stopped = False

    def start(self) -> None:
        """Returns at once. The very next key is held already, unless the user has to pick a node first."""
        if self._task.num_instances == 1:
            self._hold_keys()
        self._worker = self._dashboard.start(self._run, "shell")

    def _hold_keys(self) -> KeyHold:
        self._keys = hold_keys(self._dashboard, self._stop)
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
        self._dashboard.say(f"You stopped opening a shell in {self._task.name}.")
        if self._dashboard.front == "shell" and self._dashboard.shell.front is None:
            self._dashboard.leave_shell()

    async def _open(self) -> None:
        node = await self._pick_node()
        if node is None:
            return
        keys = self._keys or self._hold_keys()
        await self._dashboard.all_panes()
        self._dashboard.bring_to_front("shell")

        async def open_shell(columns: int, rows: int, command: str | None = None) -> Shell:
            return await self._ask_for_shell(node, columns, rows, command)

        await self._dashboard.shell.enter(self._task, open_shell, node, is_kept=self._is_kept, keys=keys)

    async def _pick_node(self) -> int | None:
        """The keys that follow the answer are held, since the dialog is not on top any more."""
        task = self._task
        if task.num_instances == 1:
            return 0
        entered = self._dashboard.shell.nodes_of(task)
        nodes = range(task.num_instances)
        choices = [Choice(f"node {node}", str(node), "a shell is open" if node in entered else "") for node in nodes]
        picking = self._dashboard.app.push_screen(Pick(f"Shell in {task.name}", choices), wait_for_dismiss=True)
        self._hold_keys()
        picked = await picking
        return None if picked is None else int(picked)

    async def _ask_for_shell(self, node: int, columns: int, rows: int, command: str | None) -> Shell:
        context = self._task.context
        flow, fleet = self._dashboard.fleet.flow(context), self._dashboard.fleet
        try:
            with self._dashboard.questions.hurried(context):
                async with fleet.deadline(context, _OPEN_S):
                    return await flow.open_shell(
                        self._task.task_id, columns=columns, rows=rows, command=command, node=node
                    )
        except TimeoutError:
            raise FlowError(f"no shell within {_OPEN_S:.0f} s; try again") from None
