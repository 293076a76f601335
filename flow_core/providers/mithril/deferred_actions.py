"""Actions on the machines of a task that wait until these respond: sending code, mounting a volume."""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from flow_core.errors import Conflict, FlowError, NotFound, ProviderError, Unreachable
from flow_core.logs.escape import escape_controls
from flow_core.providers.mithril.startup.script import read_mount_script
from flow_core.providers.over_ssh.task_nodes import TaskLocator, TaskNode

_log = logging.getLogger("flow.mithril")
_POLL_S = 2.0
_COMMAND_S = 60.0
_LIB = "/var/lib/flow"
DeferredAction = Callable[[TaskNode], Awaitable[None]]


class DeferredActions:
    """The actions that run in the background, as long as this program runs."""

    def __init__(self, locator: TaskLocator) -> None:
        self._locator = locator
        self._under_way: set[asyncio.Task[None]] = set()

    def send_code(self, task_id: str, nodes: int, source: Path, timeout_s: float) -> None:
        """Sends the code once the machines respond.

        The command waits for it on the machine, for `code_wait_s` after the boot.
        """
        self._start(f"sending the code of {task_id}", task_id, nodes, partial(_send_code, source, timeout_s))

    def mount(self, task_id: str, nodes: int, line: str) -> None:
        """Mounts a volume once the machines respond. `line` is a line of the list that volumes.sh reads."""
        self._start(f"mounting a volume in {task_id}", task_id, nodes, partial(_mount_volume, line))

    async def close(self) -> None:
        """Cancels the actions. Calling it again is safe."""
        under_way = tuple(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _start(self, description: str, task_id: str, nodes: int, action: DeferredAction) -> None:
        running = asyncio.get_running_loop().create_task(self._run(description, task_id, nodes, action))
        self._under_way.add(running)
        running.add_done_callback(self._under_way.discard)

    async def _run(self, description: str, task_id: str, nodes: int, action: DeferredAction) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for node in range(nodes):
                    group.create_task(self._run_on_node(task_id, node, action))
        except* FlowError as errors:
            _log.warning("%s failed: %s", description, errors.exceptions[0])

    async def _run_on_node(self, task_id: str, node: int, action: DeferredAction) -> None:
        """Waits for the machine without a deadline, then runs the action; gives up when the task ends."""
        while True:
            try:
                task_node = await self._locator.locate(task_id, node)
                await task_node.host.run(f"test -d {_LIB}", timeout_s=_COMMAND_S)
                await action(task_node)
                return
            except (Conflict, Unreachable):
                if await self._is_over(task_id):
                    return  # no longer needed
            await asyncio.sleep(_POLL_S)

    async def _is_over(self, task_id: str) -> bool:
        try:
            return await self._locator.is_over(task_id)
        except NotFound:
            return True
        except Unreachable:
            return False


async def _send_code(source: Path, timeout_s: float, task_node: TaskNode) -> None:
    from flow_core.upload.folder_upload import upload  # lazy import: most code fits into the bid

    await upload(source, task_node.host.folder(task_node.directory), timeout_s=timeout_s)
    await _run_as_root(task_node, f"touch {_LIB}/code-is-there")


async def _mount_volume(line: str, task_node: TaskNode) -> None:
    add_line = f"grep -qxF {shlex.quote(line)} {_LIB}/volumes 2>/dev/null || echo {shlex.quote(line)} >>{_LIB}/volumes"
    await _run_as_root(task_node, f"cat >{_LIB}/volumes.sh; {add_line}; bash {_LIB}/volumes.sh", read_mount_script())


async def _run_as_root(task_node: TaskNode, command: str, stdin: str = "") -> None:
    line = f'[ "$(id -u)" = 0 ] || exec sudo -n sh -c {shlex.quote(command)}; {command}'
    result = await task_node.host.run(line, stdin=stdin.encode(), timeout_s=_COMMAND_S)
    if result.exit_code:
        message = escape_controls((result.stdout or result.stderr).decode("utf-8", "replace").strip())
        raise ProviderError(f"{task_node.name} reported: {message or result.exit_code}")
