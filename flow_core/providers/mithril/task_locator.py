"""Finds the machines of tasks in the cloud, and the log files there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from flow_core.errors import ConfigError, Conflict, NotFound
from flow_core.logs.escape import escape_controls
from flow_core.logs.log_id import LogId
from flow_core.logs.search.stored_lines import NO_LINES
from flow_core.providers.mithril.bid_snapshot import BidSnapshot
from flow_core.providers.mithril.startup.script_content import WORKSPACE
from flow_core.providers.mithril.tasks import MithrilTasks
from flow_core.providers.over_ssh.line_search import find_lines
from flow_core.providers.over_ssh.task_nodes import LogFile, TaskNode

if TYPE_CHECKING:
    from flow_core.logs.search.stored_lines import LineRequest, StoredLines
    from flow_core.providers.mithril.exit_status import ExitStatus
    from flow_core.providers.mithril.shared_state import MithrilSession

_ENTER = "/var/lib/flow/enter"
_LOGS = "/var/log/flow"
_STARTUP_LOG = "/var/log/foundry/startup_script.log"


class MithrilTaskLocator:
    """The TaskLocator of tasks in the cloud. A task can be entered while its machines exist, also after its command."""

    def __init__(self, session: MithrilSession, tasks: MithrilTasks) -> None:
        self._session = session
        self._tasks = tasks

    async def locate(self, task_id: str, node: int, *, also_ended: bool = False) -> TaskNode:
        snapshot = await self._tasks.get_snapshot(task_id)
        _check_node(snapshot, node)
        if not snapshot.is_reachable:
            raise Conflict(f"task {task_id} can't be entered: its bid is {snapshot.bid.status.lower()}")
        spec = (await self._session.specs.get_all([task_id]))[task_id]
        directory = spec.config.get("working_dir") or WORKSPACE
        host = await self._tasks.connect(task_id, node)
        return TaskNode(host, str(directory), _make_enter_line, name=_format_node_name(snapshot, node))

    async def is_over(self, task_id: str) -> bool:
        """Returns whether the bid has ended, so that no machine is left."""
        return (await self._tasks.get_snapshot(task_id)).bid.status == "Terminated"


class MithrilLogSources:
    """The LogSources of tasks in the cloud: a file for each attempt, on each node."""

    def __init__(self, context: str, tasks: MithrilTasks) -> None:
        self.context = context
        self._tasks = tasks

    async def list_log_ids(self, task_id: str) -> tuple[LogId, ...]:
        snapshot = await self._tasks.get_snapshot(task_id)
        exit_status = await self._tasks.get_exit_status(snapshot)
        if exit_status is None and not snapshot.is_reachable:
            return ()
        attempts, ranks = range((exit_status.attempt if exit_status else 0) + 1), range(snapshot.bid.quantity)
        return tuple(LogId(self.context, task_id, attempt, rank) for attempt in attempts for rank in ranks)

    async def find_file(self, address: LogId) -> LogFile | None:
        snapshot, _ = await self._find_log(address)
        if not snapshot.is_reachable:
            return None
        host = await self._tasks.connect(address.task_id, address.rank)
        return LogFile(host, f"{_LOGS}/attempt-{address.attempt}.log", snapshot.nodes[address.rank].instance_id)

    async def find_lines(self, address: LogId, request: LineRequest) -> StoredLines:
        file = await self.find_file(address)
        return NO_LINES if file is None else await find_lines(file, request)

    async def find_startup_log(self, task_id: str, node: int) -> LogFile:
        snapshot = await self._tasks.get_snapshot(task_id)
        _check_node(snapshot, node)
        if not snapshot.is_reachable:
            raise Conflict(
                f"task {task_id} has no machine that could be read; its bid is {snapshot.bid.status.lower()}"
            )
        return LogFile(await self._tasks.connect(task_id, node), _STARTUP_LOG)

    async def is_over(self, address: LogId) -> bool:
        snapshot, exit_status = await self._find_log(address)
        has_ended = exit_status is not None and (exit_status.is_over or exit_status.attempt > address.attempt)
        return has_ended or snapshot.bid.status == "Terminated"

    async def _find_log(self, address: LogId) -> tuple[BidSnapshot, ExitStatus | None]:
        """Returns the snapshot and the exit status of the log's task. Raises NotFound if there is no such log."""
        snapshot = await self._tasks.get_snapshot(address.task_id)
        exit_status = await self._tasks.get_exit_status(snapshot)
        attempts = 1 if exit_status is None else exit_status.attempt + 1
        exists = 0 <= address.rank < snapshot.bid.quantity and 0 <= address.attempt < attempts
        if address.context != self.context or not exists:
            raise NotFound(f"task {address.task_id} has no log of attempt {address.attempt}, rank {address.rank}")
        return snapshot, exit_status


def _make_enter_line(command: str | None) -> str:
    """Returns the line that enters the task.

    Only root has the task's environment; the user may use sudo without a password.
    """
    rest = "" if command is None else f" -c {shlex.quote(command)}"
    return f'if [ "$(id -u)" = 0 ]; then exec {_ENTER}{rest}; else exec sudo -n {_ENTER}{rest}; fi'


def _check_node(snapshot: BidSnapshot, node: int) -> None:
    if not 0 <= node < snapshot.bid.quantity:
        count = snapshot.bid.quantity
        raise ConfigError(f"node: task {snapshot.bid.bid_id} has {count}, counted from 0", field="node")


def _format_node_name(snapshot: BidSnapshot, node: int) -> str:
    name = escape_controls(snapshot.bid.name)
    return f"node {node} of {name}" if snapshot.bid.quantity > 1 else name
